/* core/net/tls_cert.h — a self-signed certificate for who has none yet: EC
 * P-256, kept in files, made again when it is about to end. */
#ifndef CORE_NET_TLS_CERT_H
#define CORE_NET_TLS_CERT_H
#include <stddef.h>

enum { TLS_PATH_MAX = 1024 };

/* Writes the paths of data_dir/tls/cert.pem and key.pem; makes both if they
 * are not there, do not belong together, or end within 30 days. hosts: names
 * and addresses, NULL-ended or NULL; localhost, 127.0.0.1 and ::1 are added.
 * 0, ERR_IO (logged), ERR_RANGE (path too long), ERR_NOMEM. */
int tls_cert_auto(const char *data_dir, const char *const *hosts,
                  char cert[TLS_PATH_MAX], char key[TLS_PATH_MAX]);

#endif
