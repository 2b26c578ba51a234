// One HTTP request and its answer, as handlers see it: no Beast here. On the io_context's thread.
#ifndef FLEET_EXCHANGE_H_
#define FLEET_EXCHANGE_H_

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sandbox/base/owned_fd.h"

namespace sessionctl {

struct HttpRequest {
  std::string method;                        // "GET"
  std::string path;                          // without the query, still percent-encoded
  std::map<std::string, std::string> query;  // decoded
  std::string accept;
  std::string upgrade;
  std::string body;
};

struct HttpReply {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::string allow;  // of a 405
};

// Of the answer with a session's output: where it begins, counted from the first byte that the
// session has written. More than was asked for: what is missing was dropped.
inline constexpr char kLogOffsetHeader[] = "Session-Log-Offset";

class Exchange {
 public:
  virtual ~Exchange() = default;

  const HttpRequest& request() const { return request_; }
  uid_t peer() const { return peer_; }
  // The values of the route's {…}, in order, decoded.
  std::vector<std::string> parameters;

  // Exactly one of these ends an exchange: Reply, End, GiveAway. An exchange that is dropped
  // without any of them is closed.
  virtual void Reply(HttpReply reply) = 0;
  // A body of unknown length: BeginStream, then Write as often as wanted, then End. `written` comes
  // when the client has taken the bytes, never when it has gone.
  // `headers`: more of them, each with its line end.
  virtual void BeginStream(int status, const std::string& content_type,
                           const std::string& headers) = 0;
  virtual void Write(std::string bytes, std::function<void()> written = nullptr) = 0;
  virtual void End() = 0;
  // Bytes that the client has not taken yet: who produces without waiting for `written` looks here.
  virtual size_t waiting() const = 0;
  virtual void Close() = 0;
  // Called once, when the client has gone before the answer has ended.
  virtual void OnGone(std::function<void()> gone) = 0;
  // The connection for somebody else to go on with, and what the client has sent beyond its
  // request. Then either GiveAway, which closes our side without a word, or Reply.
  virtual OwnedFd Duplicate(std::string* early) = 0;
  virtual void GiveAway() = 0;

 protected:
  HttpRequest request_;
  uid_t peer_ = static_cast<uid_t>(-1);
};

using ExchangePtr = std::shared_ptr<Exchange>;

// "%41+b" → "A+b"; malformed escapes stay as they are. In a query "+" is a blank.
std::string PercentDecode(const std::string& text, bool query);
std::string PercentEncode(const std::string& text);
// Splits "PATH?QUERY".
void ParseTarget(const std::string& target, HttpRequest& request);

}  // namespace sessionctl

#endif  // FLEET_EXCHANGE_H_
