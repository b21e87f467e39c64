# --chown and --chmod, on files, directories, made parents and symlinks.
FROM busybox
RUN mkdir /have && chown 5:6 /have
COPY --chown=app a.txt /o1
COPY --chown=app:extra a.txt /o2
COPY --chown=1234 a.txt /o3
COPY --chown=1234:4321 a.txt /o4
COPY --chown=:extra a.txt /o5
COPY --chown=app:77 a.txt /o6
COPY --chown=app dir /o7
COPY --chown=app dir /o8/deeper/
COPY --chown=app a.txt /o9/deeper/
COPY --chown=app a.txt /have/
COPY --chown=app links /o10
COPY --chown=app emptydir /o11
COPY --chown=app setuid setgid sticky /o12/
COPY setuid setgid sticky secret exec.sh /o13/
COPY --chmod=600 a.txt exec.sh /o14/
COPY --chmod=600 dir /o15
COPY --chmod=700 dir /o16/
COPY --chmod=4755 exec.sh /o17
COPY --chmod=2755 dir /o18
COPY --chmod=0644 links /o19/
COPY --chmod=700 a.txt /o20/deeper/
COPY --chmod=1777 emptydir /o21
COPY --chmod=000 a.txt /o22
COPY --chown=app --chmod=400 dir /o23/
COPY --chmod=644 link-file /o24
ARG WHO=app
ARG HOW=711
COPY --chown=$WHO --chmod=${HOW} a.txt /o25
USER app
COPY a.txt /o26/
COPY dir /o27/
WORKDIR /o28/made
COPY a.txt .
USER 55:66
COPY a.txt /o29/
COPY --chown=root:root hard /o30/
COPY hard /o31/
COPY hard hard-outside /o32/
COPY xattr /o33
COPY --chown=1:1 xattr /o34
COPY xattr setuid /o35/
