/* app/serve.h — `lectern serve`: origin and edge in one process. */
#ifndef APP_SERVE_H
#define APP_SERVE_H

/* argv[0] is "serve". Runs until SIGTERM or SIGINT. Exit status 0, 1 or 2. */
int serve_main(int argc, char **argv);

#endif
