/* transcode/worker/scaler.h — one rung's size: a picture of any format in, one
 * of that size in 4:2:0 out. Works from the next larger rung where there is
 * one (cascade): less to read. One thread. */
#ifndef TRANSCODE_WORKER_SCALER_H
#define TRANSCODE_WORKER_SCALER_H
#include <libavutil/frame.h>
#include <stdint.h>

struct scaler;

int scaler_create(struct scaler **out, uint32_t width, uint32_t height);
void scaler_free(struct scaler **s);
/* Gives a new reference: `in` itself where it fits, else a scaled picture with
 * the times and colours of in. 0, ERR_NOMEM or ERR_UNSUPPORTED. */
int scaler_run(struct scaler *s, const AVFrame *in, AVFrame **out);

#endif
