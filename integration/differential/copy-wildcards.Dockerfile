FROM busybox
COPY *.txt /w1/
COPY c*.md /w2
COPY c*.md /w3/
COPY ?.txt /w4/
COPY [ab].txt /w5/
COPY [^a].txt /w6/
COPY d* /w7/
COPY dir/*/deep /w8/
COPY globs/*/*.c /w9/
COPY globs/* /w10/
COPY globs/*/ /w11/
COPY nothing* a.txt /w12/
COPY link-f* /w13/
COPY link-d?r /w14/
COPY */one /w15/
COPY dir*/ /w16/
COPY hard/* /w17/
COPY lin[k]s/up /w18
COPY emptydi* /w19/
COPY a.tx[t] /w20
COPY odd/star\* /w21/
COPY odd/[[]bracket] /w22/
COPY odd/* /w23/
COPY */sub/../one /w24/
