# Throughput over size and latency over load, as SVG. usage: gnuplot -e "folder='…'" plots.gp
set terminal svg size 760,420 font 'sans-serif,12' background 'white'
set grid
set key outside right
set logscale xy
set format x '10^{%T}'
set output folder.'/throughput.svg'
set title 'ten that fit, matches a second'
set xlabel 'organisations'
set ylabel 'matches a second'
stats folder.'/throughput.dat' using 1 nooutput
plot for [i=0:STATS_blocks-1] folder.'/throughput.dat' index i using 1:2 with linespoints lw 2 title columnheader(1)
unset logscale x
set format x '%g'
set output folder.'/latency.svg'
set title 'a durable life in an open loop: latency over load'
set xlabel 'lives a second'
set ylabel 'microseconds'
plot folder.'/latency.dat' using 1:2 with linespoints lw 2 title 'p50', \
     '' using 1:3 with linespoints lw 2 title 'p99', '' using 1:4 with linespoints lw 2 title 'p99.9'
