int bench_lifecycle(int c, char **v); int bench_lifecycle(int c, char **v) {(void)c;(void)v;return 1;}
