// A client of a session's monitor that speaks to its control socket byte by byte, with an encoder
// of its own: what the product's client would never send can be sent, too.
#ifndef TESTS_INTEGRATION_STREAM_PEER_H_
#define TESTS_INTEGRATION_STREAM_PEER_H_

#include <optional>
#include <string>

#include "nlohmann/json.hpp"

namespace sessionctl {

enum PeerFrameType { kIn, kOut, kErr, kSize, kEnd, kLeave, kComplaint };

struct PeerFrame {
  int type = -1;
  std::string payload;
};

// A connection to the control socket of the session's directory; -1: refused.
int ConnectToMonitor(const std::string& directory);
// One message, with a descriptor (-1: none); the answer, null when there is none.
nlohmann::json AskMonitor(int socket, const std::string& message, int descriptor);

class StreamPeer {
 public:
  StreamPeer() = default;
  ~StreamPeer();
  StreamPeer(StreamPeer&& other) noexcept;
  StreamPeer(const StreamPeer&) = delete;
  StreamPeer& operator=(const StreamPeer&) = delete;

  // Hands a stream over with this request; the monitor's answer.
  nlohmann::json Open(const std::string& directory, const nlohmann::json& request);

  void Send(int type, const std::string& payload);
  void SendBytes(const std::string& bytes);  // as they are; what is not taken is lost
  // The next frame; nullopt when the stream has ended, or nothing came for a generous while.
  std::optional<PeerFrame> Next();
  // Reads until all that came on `type` (kOut, kErr, kComplaint) has `text` in it.
  bool See(const std::string& text, int type = kOut);
  // Reads to the end; what the last frame says, null when the stream ended without it.
  nlohmann::json End();
  // What has come on each until now.
  const std::string& out() const { return text_[kOut]; }
  const std::string& err() const { return text_[kErr]; }
  const std::string& complaint() const { return text_[kComplaint]; }
  bool ended() const { return ended_; }
  void Close();

 private:
  bool Fill();

  int fd_ = -1;
  std::string buffer_;
  std::string text_[kComplaint + 1];
  bool ended_ = false;
};

}  // namespace sessionctl

#endif  // TESTS_INTEGRATION_STREAM_PEER_H_
