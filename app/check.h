/* app/check.h — `lectern check URL`: LL-HLS conformance of any server, ours or
 * another's; each broken rule with its spec section. */
#ifndef APP_CHECK_H
#define APP_CHECK_H

/* argv[0] is "check". Exit status: 0 none broken, 1 some broken or the stream
 * could not be read, 2 wrong usage. */
int check_main(int argc, char **argv);

#endif
