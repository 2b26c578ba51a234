#include "tests/integration/stream_peer.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <utility>

#include "sandbox/base/fd_channel.h"

namespace sessionctl {
namespace {

using nlohmann::json;

constexpr int kWaitAtMost = 60'000;  // milliseconds

bool IsReadable(int fd) {
  pollfd source = {.fd = fd, .events = POLLIN, .revents = 0};
  return poll(&source, 1, kWaitAtMost) > 0;
}

}  // namespace

int ConnectToMonitor(const std::string& directory) {
  const int at = open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/control", at);
  const int socket = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  const bool connected =
      connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  close(at);
  if (connected) return socket;
  close(socket);
  return -1;
}

json AskMonitor(int socket, const std::string& message, int descriptor) {
  const size_t count = descriptor < 0 ? 0 : 1;
  if (!SendWithDescriptors(socket, message.data(), message.size(), &descriptor, count).ok() ||
      !IsReadable(socket)) {
    return nullptr;
  }
  std::array<char, 8192> answer;
  const ssize_t size = recv(socket, answer.data(), answer.size(), 0);
  if (size <= 0) return nullptr;
  return json::parse(std::string(answer.data(), static_cast<size_t>(size)), nullptr, false);
}

StreamPeer::~StreamPeer() { Close(); }

StreamPeer::StreamPeer(StreamPeer&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), buffer_(std::move(other.buffer_)), ended_(other.ended_) {
  for (int type = 0; type <= kComplaint; ++type) text_[type] = std::move(other.text_[type]);
}

void StreamPeer::Close() {
  if (fd_ >= 0) close(std::exchange(fd_, -1));
}

json StreamPeer::Open(const std::string& directory, const json& request) {
  const int socket = ConnectToMonitor(directory);
  if (socket < 0) return nullptr;
  std::array<int, 2> ends;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) return nullptr;
  json answer = AskMonitor(socket, request.dump(), ends[1]);
  close(ends[1]);
  close(socket);
  fd_ = ends[0];
  return answer;
}

void StreamPeer::Send(int type, const std::string& payload) {
  const auto size = static_cast<unsigned>(payload.size());
  const char header[8] = {static_cast<char>(type),
                          0,
                          0,
                          0,
                          static_cast<char>(size >> 24),
                          static_cast<char>(size >> 16),
                          static_cast<char>(size >> 8),
                          static_cast<char>(size)};
  SendBytes(std::string(header, sizeof(header)) + payload);
}

void StreamPeer::SendBytes(const std::string& bytes) {
  size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t count = send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) return;
    sent += static_cast<size_t>(count);
  }
}

bool StreamPeer::Fill() {
  if (fd_ < 0 || !IsReadable(fd_)) return false;
  std::array<char, 65536> piece;
  const ssize_t count = recv(fd_, piece.data(), piece.size(), 0);
  if (count <= 0) {
    ended_ = true;
    return false;
  }
  buffer_.append(piece.data(), static_cast<size_t>(count));
  return true;
}

std::optional<PeerFrame> StreamPeer::Next() {
  while (buffer_.size() < 8) {
    if (!Fill()) return std::nullopt;
  }
  size_t size = 0;
  for (size_t i = 4; i < 8; ++i) size = size << 8 | static_cast<unsigned char>(buffer_[i]);
  while (buffer_.size() < 8 + size) {
    if (!Fill()) return std::nullopt;
  }
  PeerFrame frame = {.type = buffer_[0], .payload = buffer_.substr(8, size)};
  buffer_.erase(0, 8 + size);
  if (frame.type >= 0 && frame.type <= kComplaint) text_[frame.type] += frame.payload;
  return frame;
}

bool StreamPeer::See(const std::string& text, int type) {
  while (text_[type].find(text) == std::string::npos) {
    if (!Next().has_value()) return false;
  }
  return true;
}

json StreamPeer::End() {
  json last;
  while (const std::optional<PeerFrame> frame = Next()) {
    if (frame->type == kEnd) last = json::parse(frame->payload, nullptr, false);
  }
  return last;
}

}  // namespace sessionctl
