/* core/media/x264.h — what x264 writes of its settings beside the first
 * picture it makes: a user_data_unregistered SEI with them as text. OBS,
 * FFmpeg, GStreamer send it on. Pure; any thread.
 * Source: ITU-T H.264 §D.1.7; x264, encoder/set.c (x264_sei_version_write). */
#ifndef CORE_MEDIA_X264_H
#define CORE_MEDIA_X264_H
#include <stddef.h>
#include <stdint.h>

/* The most frames from one keyframe to the next; 0: nothing is said of it, or
 * there is no end to them. data has 4-byte lengths. */
uint32_t x264_keyint(const void *data, size_t len);

#endif
