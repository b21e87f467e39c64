# escape=`
FROM busybox
RUN echo bom > /bom
ENV A=C:\x
