#!/usr/bin/python3
"""WHIP and WHEP with aiortc, a second WebRTC stack.

usage: aiortc_client.py play URL SECONDS
       aiortc_client.py publish URL SECONDS TOKEN
Prints one JSON line, after SECONDS or when it is terminated: {"status",
"state", "video", "audio"} with the frames that were received (play), or were
given to the encoder (publish).
"""
import asyncio
import fractions
import json
import signal
import sys
import time
import urllib.error
import urllib.request

from aiortc import (RTCConfiguration, RTCPeerConnection, RTCRtpSender,
                    RTCSessionDescription)
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack
from av import VideoFrame

counts = {"video": 0, "audio": 0}


class Camera(VideoStreamTrack):
    """A grey that walks, so that frames differ."""

    async def recv(self):
        pts, base = await self.next_timestamp()
        frame = VideoFrame(640, 360, "yuv420p")
        for i, plane in enumerate(frame.planes):
            plane.update(bytes([(counts["video"] * 3 + i) % 220]) *
                         plane.buffer_size)
        frame.pts, frame.time_base = pts, base
        counts["video"] += 1
        return frame


async def count(track):
    while True:
        try:
            await track.recv()
        except Exception:  # the track ended
            return
        counts[track.kind] += 1


def post(url, sdp, token):
    headers = {"content-type": "application/sdp"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, sdp.encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


async def main():
    what, url, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    token = sys.argv[4] if len(sys.argv) > 4 else None
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    if what == "play":
        pc.addTransceiver("video", direction="recvonly")
        pc.addTransceiver("audio", direction="recvonly")
        pc.on("track", lambda track: asyncio.ensure_future(count(track)))
    else:
        pc.addTrack(AudioStreamTrack())
        sender = pc.addTrack(Camera())
        h264 = [c for c in RTCRtpSender.getCapabilities("video").codecs
                if c.mimeType == "video/H264"]
        for transceiver in pc.getTransceivers():
            if transceiver.sender == sender:
                transceiver.setCodecPreferences(h264)
    await pc.setLocalDescription(await pc.createOffer())
    status, headers, text = await asyncio.to_thread(
        post, url, pc.localDescription.sdp, token)
    if status == 201:
        await pc.setRemoteDescription(RTCSessionDescription(text, "answer"))
        enough = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(
            signal.SIGTERM, enough.set)
        try:
            await asyncio.wait_for(enough.wait(), seconds)
        except asyncio.TimeoutError:
            pass
    print(json.dumps({"status": status, "state": pc.connectionState,
                      "text": "" if status == 201 else text, **counts}),
          flush=True)
    await pc.close()


asyncio.run(main())
