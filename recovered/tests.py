import sys, ast, marshal, types, pathlib
sys.path.insert(0,'/tmp/rec'); import verify
from _pytest.assertion.rewrite import rewrite_asserts
B=pathlib.Path('/root/.cache/guided-gan/bytecode')
C=B/'root/.cache/guided-gan/clones/8d94b24fb314/custom_nodes/guided_gan/tests'
W=B/'work/w-second/tests'
def funcs(c,path=''):
    out={}
    for k in c.co_consts:
        if isinstance(k,types.CodeType):
            out[path+k.co_name]=k; out.update(funcs(k,path+k.co_name+'.'))
    return out
import re
def norm(c):
    return verify.text(c)
root=pathlib.Path(sys.argv[1])
for p in sorted({*C.glob('*.pyc'),*W.glob('*.pyc')},key=lambda p:p.name):
    name=p.name.split('.')[0]; src=root/'tests'/(name+'.py')
    c=marshal.loads(p.read_bytes()[16:])
    if not src.exists(): print('ABSENT',name); continue
    text=src.read_bytes(); 
    if 'pytest' in p.name:
        tree=ast.parse(text); rewrite_asserts(tree,text,str(src)); d=compile(tree,str(src),'exec',dont_inherit=True)
    else: d=compile(text,str(src),'exec',dont_inherit=True)
    a,b=funcs(c),funcs(d)
    diff=[n for n in a if n not in b or norm(a[n])!=norm(b[n])]; gone=[n for n in b if n not in a]
    diff=[n for n in diff if not any(n.startswith(m+'.') for m in diff if m!=n)]
    import datetime
    if diff or gone: print(name, datetime.datetime.fromtimestamp(p.stat().st_mtime).strftime('%H:%M'),'DIFF',diff,'GONE',gone)
