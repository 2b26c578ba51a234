// How the front's process for a client and that user's supervisor talk: a request of the control
// API that is upgraded, then one byte with one descriptor, the client's connection; a byte comes
// back when it was taken. The supervisor asks for itself whose connection it is.
#ifndef FLEET_HAND_OVER_H_
#define FLEET_HAND_OVER_H_

namespace sessionctl {

inline constexpr char kHandOverProtocol[] = "sessionctl-hand-over";
inline constexpr char kHandOverRequest[] =
    "POST /v1/connections HTTP/1.1\r\nHost: sessiond\r\nConnection: Upgrade\r\n"
    "Upgrade: sessionctl-hand-over\r\nContent-Length: 0\r\n\r\n";
inline constexpr char kHandOverByte[] = "c";

}  // namespace sessionctl

#endif  // FLEET_HAND_OVER_H_
