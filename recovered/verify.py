"""verify.py REL_SOURCE: compare /work/w-second/REL_SOURCE with the bytecode that it was compiled to. Prints SAME, or a diff of disassemblies."""
import marshal,sys,pathlib,types,dis,io,difflib,re
B=pathlib.Path('/root/.cache/guided-gan/bytecode')
ROOTS=[B/'work/w-second', B/'root/.cache/guided-gan/clones/8d94b24fb314/custom_nodes/guided_gan']
def pyc(rel):
    rel=pathlib.Path(rel)
    found=[p for r in ROOTS for p in (r/rel.parent).glob(rel.stem+'.cpython-311*.pyc')]
    return max(found,key=lambda p:p.stat().st_mtime)
def load(p): return marshal.loads(p.read_bytes()[16:])
def text(c):
    out=[]
    def walk(c,path):
        path=path+'/'+c.co_name
        out.append(f'## {path} args={c.co_varnames[:c.co_argcount]} kwonly={c.co_varnames[c.co_argcount:c.co_argcount+c.co_kwonlyargcount]} flags={c.co_flags}')
        out.append(f'doc/consts: {[k for k in c.co_consts if isinstance(k,str) and len(k)>40]}')
        s=io.StringIO(); dis.dis(c,file=s,depth=0)
        for l in s.getvalue().splitlines():
            l=re.sub(r'<code object (\S+) at .*?>',r'<code \1>',l)
            l=re.sub(r'^\s*\d*\s*(>>)?\s*\d+ ','',l) if NOLINES else l
            out.append(l.rstrip())
        for k in c.co_consts:
            if isinstance(k,types.CodeType): walk(k,path)
    walk(c,'')
    return out
NOLINES='--lines' not in sys.argv
if __name__=='__main__':
    args=[a for a in sys.argv[1:] if not a.startswith('-')]
    if '--dis' in sys.argv:
        NOLINES=False
        print(*text(load(pyc(args[0]))),sep='\n'); sys.exit()
    for rel in args:
        p=pyc(rel); src=pathlib.Path('/work/w-second')/rel
        a=text(load(p)); b=text(compile(src.read_text(),str(src),'exec',dont_inherit=True))
        import struct
        size=struct.unpack('<I',p.read_bytes()[12:16])[0]
        print(rel, 'SAME' if a==b else 'DIFFERENT', 'size then',size,'now',len(src.read_bytes()), p.parts[4])
        if a!=b and '-q' not in sys.argv: print(*difflib.unified_diff(a,b,'then','now',lineterm='',n=2),sep='\n')
