FROM busybox
LABEL a="ÿþ"
