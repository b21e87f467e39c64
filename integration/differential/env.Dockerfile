FROM busybox
ENV A=1 B=2
ENV C three words here
ENV D="double quoted" E='single quoted' F=back\ slash
ENV G="$A$B" H='$A' I=\$A J="\$A" K=$A$B
ENV L=${A}x M=${UNSET:-default} N=${A:+alt} O=${UNSET:+alt} P=${UNSET-dash} Q=${A-dash}
ENV EMPTY= EMPTYQ=""
ENV R=${EMPTY:-was empty} S=${EMPTY-was set} T=${EMPTY:+x} U=${EMPTY+x}
ENV A=new Z=$A
ENV AA=$A
ENV V="a\
b" W=a\
b
ENV X="tab	and  spaces" Y='it'"'"'s'
ENV Q1="esc\"aped" Q2="back\\slash" Q3='back\\slash' Q4=back\\slash Q5="\n" Q6=\n
ENV PATHS=/x:$PATH
ENV OLD   leading   and trailing   
ENV OLD2 "quoted" 'words' $A \$A
ENV NEST=${UNSET:-${A:-x}} NEST2=${UNSET:-"q q"} 
ENV MOD1=${A#n} MOD2=${A##*e} MOD3=${A%w} MOD4=${A%%e*} MOD5=${A/n/m} MOD6=${PATHS//bin/BIN}
ENV under_score=1 dash-name=2 dot.name=3 
ENV UNI=ü$A
ENV DOLLAR=$ DOLLAR2=a$ DOLLAR3=$$ DOLLAR4="$"
RUN env | sort > /env
RUN echo "$G|$H|$I" '$A' > /quotes
ENV MULTI=1 \
    # comment inside
    MULTI2=2 \

    MULTI3=3
RUN env | grep MULTI | sort > /multi
