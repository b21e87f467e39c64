# Names that need quoting or escaping.
FROM busybox
COPY odd /odd/
COPY ["odd/with space", "/n1/"]
COPY ["odd/with space", "/n2 with space"]
COPY odd/quo\'te /n5/
COPY odd/ünï /n8/
COPY odd/dollar\$x /n9/
COPY ["odd/dollar\\$x", "/n10/"]
COPY odd/#hash /n11/
COPY odd/-dash /n12/
COPY odd/tail. /n13/
COPY a.txt /n16/back\\slash
COPY a.txt /n15/ü
