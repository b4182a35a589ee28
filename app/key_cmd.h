/* app/key_cmd.h — `lectern key rotate|revoke CHANNEL`, on the store of a data
 * directory. A server that runs notices within a second: whoever publishes with
 * the old key is sent away, the stream waits for who has the new one. */
#ifndef APP_KEY_CMD_H
#define APP_KEY_CMD_H

/* argv[0] is "key". Returns the exit status: 0, 1 or 2. */
int key_main(int argc, char **argv);

#endif
