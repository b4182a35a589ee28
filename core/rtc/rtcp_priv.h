/* core/rtc/rtcp_priv.h — numbers of the wire that reading and writing share. */
#ifndef CORE_RTC_RTCP_PRIV_H
#define CORE_RTC_RTCP_PRIV_H

enum {
    PT_SR = 200,
    PT_RR = 201,
    PT_SDES = 202,
    PT_BYE = 203,
    PT_RTPFB = 205,
    PT_PSFB = 206,
    FMT_NACK = 1,
    FMT_TWCC = 15,
    FMT_PLI = 1,
    FMT_FIR = 4,
    FMT_APPLICATION = 15,
    REMB_NAME = 0x52454d42, /* "REMB" */
    SDES_CNAME = 1,
};

#endif
