FROM busybox
ONBUILD RUN echo first > /first
ONBUILD COPY a.txt /onbuild/
ONBUILD ENV BY_ONBUILD=1
ONBUILD   run   echo   spaced   >   /spaced
ONBUILD ADD ["b.txt", "/onbuild/"]
ONBUILD USER app
ONBUILD WORKDIR /onbuild/work
ONBUILD LABEL "a label"="of onbuild" unquoted=x
ONBUILD CMD ["from", "onbuild"]
ONBUILD ARG GIVEN=default
ONBUILD RUN echo "$GIVEN" > /tmp/given
