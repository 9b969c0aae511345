"""The harmless settings that a CLIP's folder may pass to open_clip and transformers."""

from __future__ import annotations

import re

# Arguments of tokenizers: cleaning, special tokens, truncation and padding.
_TOKENS = {f"{name}_token" for name in ("bos", "eos", "unk", "sep", "pad", "cls", "mask")}
ARGUMENTS = _TOKENS | {
    *("clean", "strip_sep_token", "language", "reduction_mask", "model_max_length", "padding_side", "truncation_side"),
    *("do_lower_case", "strip_accents", "tokenize_chinese_chars", "add_prefix_space", "add_bos_token", "add_eos_token"),
    *("src_lang", "tgt_lang", "extra_ids", "legacy", "use_fast", "clean_up_tokenization_spaces"),
    "split_special_tokens",
}
TOKENIZER_SETTINGS = (ARGUMENTS - {"clean", "strip_sep_token", "language", "reduction_mask", "use_fast"}) | {
    *("tokenizer_class", "added_tokens_decoder", "additional_special_tokens", "extra_special_tokens", "never_split"),
    *("do_basic_tokenize", "trim_offsets", "spaces_between_special_tokens", "model_input_names"),
}
TOKENIZER_CLASSES = re.compile(
    "(Bert|DistilBert|MPNet|Roberta|XLMRoberta|Albert|DebertaV2|T5|MT5|Siglip|Gemma|Nllb|M2M100|CLIP|GPT2|Llama|Qwen2)"
    "Tokenizer(Fast)?|PreTrainedTokenizer(Fast)?|TokenizersBackend"
)

# The architecture of a text tower of transformers, for the kinds of towers that open_clip supports.
TOWER_KINDS = {"bert", "roberta", "xlm-roberta", "mt5", "m2m_100"}
TOWER_SETTINGS = {
    *("model_type", "vocab_size", "pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"),
    *("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act", "layer_norm_eps"),
    *("max_position_embeddings", "type_vocab_size", "position_embedding_type", "d_model", "d_kv", "d_ff", "num_layers"),
    *("num_decoder_layers", "num_heads", "relative_attention_num_buckets", "relative_attention_max_distance"),
    *("feed_forward_proj", "layer_norm_epsilon", "tie_word_embeddings", "is_encoder_decoder", "encoder_layers"),
    *("decoder_layers", "encoder_attention_heads", "decoder_attention_heads", "encoder_ffn_dim", "decoder_ffn_dim"),
    *("activation_function", "scale_embedding"),
}
_ROBERTA = {"model_type": "xlm-roberta", "vocab_size": 250002, "max_position_embeddings": 514, "type_vocab_size": 1}
_ROBERTA |= {"layer_norm_eps": 1e-5, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "hidden_act": "gelu"}
_ROBERTA_LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
# Text towers of published open_clip models, whose folders name them but do not contain their configuration.
PUBLISHED_TOWERS = {
    "roberta-base": {**_ROBERTA, "model_type": "roberta", "vocab_size": 50265},
    "xlm-roberta-base": _ROBERTA,
    "xlm-roberta-large": {**_ROBERTA, **_ROBERTA_LARGE},
}
