FROM busybox
RUN mkdir -p /have/d && chown 3:4 /have /have/d && chmod 711 /have /have/d && ln -s have /way
ADD owners.tar /a1/
ADD owners.tar /a2
ADD owners.tar.gz /a3/
ADD owners.tar.bz2 /a4/
ADD owners.tar.xz /a5/
ADD owners.tar.zst /a6/
ADD owners.tar /have
ADD owners.tar.gz /way/sub/
ADD --chown=app owners.tar /a7/
ADD --chown=app:extra owners.tar.gz /a8/deeper/
ADD fake.tar /a9/
ADD plain.gz /a10/
ADD named-otherwise.bin /a11/
ADD a.txt /a12/
ADD a.txt owners.tar /a13/
ADD dir /a14/
ADD implicit.tar /a15/
ADD dot.tar /a16/
ADD empty.tar /a17/
ADD twice.tar /a18/
ADD *.tar.gz /a19/
COPY owners.tar /a20/
COPY owners.tar.gz /a21
WORKDIR /w
ADD owners.tar .
ADD owners.tar sub
ADD --unpack=false owners.tar /a22/
