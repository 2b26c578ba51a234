#include "supervisor/session_control.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "sandbox/base/fd_channel.h"
#include "sandbox/base/owned_fd.h"

namespace sessionctl {
namespace {

using nlohmann::json;

constexpr size_t kMaxAnswer = 4096;
constexpr uint64_t kLargestSide = 65535;  // of a terminal

struct ErrorCode {
  const char* text;
  absl::StatusCode code;
};
constexpr ErrorCode kErrorCodes[] = {
    {"bad_request", absl::StatusCode::kInvalidArgument},
    {"not_possible", absl::StatusCode::kFailedPrecondition},
    {"too_many", absl::StatusCode::kResourceExhausted},
    {"not_yours", absl::StatusCode::kPermissionDenied},
    {"timeout", absl::StatusCode::kDeadlineExceeded},
};

absl::Status Wrong(const char* member) {
  return absl::InvalidArgumentError(absl::StrCat("\"", member, "\" is wrong or missing"));
}

// Each reads one member if it is there; false when it is of another type.
bool ReadText(const json& object, const char* member, std::string* to) {
  const auto it = object.find(member);
  if (it == object.end() || it->is_null()) return true;
  if (!it->is_string()) return false;
  *to = it->get<std::string>();
  return to->find('\0') == std::string::npos;
}

bool ReadBytes(const json& object, const char* member, std::string* to) {
  std::string text;
  return ReadText(object, member, &text) && absl::Base64Unescape(text, to);
}

bool ReadFlag(const json& object, const char* member, bool* to) {
  const auto it = object.find(member);
  if (it == object.end()) return true;
  if (!it->is_boolean()) return false;
  *to = it->get<bool>();
  return true;
}

bool ReadTexts(const json& object, const char* member, std::vector<std::string>* to) {
  const auto it = object.find(member);
  if (it == object.end()) return true;
  if (!it->is_array()) return false;
  for (const json& each : *it) {
    if (!each.is_string()) return false;
    to->push_back(each.get<std::string>());
    if (to->back().find('\0') != std::string::npos) return false;
  }
  return true;
}

bool ReadSide(const json& object, const char* member, uint16_t* to) {
  const auto it = object.find(member);
  if (it == object.end()) return true;
  if (!it->is_number_unsigned() || it->get<uint64_t>() > kLargestSide) return false;
  *to = static_cast<uint16_t>(it->get<uint64_t>());
  return true;
}

absl::Status ReadExec(const json& object, ControlRequest* request) {
  if (!ReadTexts(object, "argv", &request->argv) || request->argv.empty() ||
      request->argv[0].empty()) {
    return Wrong("argv");
  }
  if (!ReadTexts(object, "environment", &request->environment)) return Wrong("environment");
  for (const std::string& entry : request->environment) {
    if (entry.find('=') == std::string::npos || entry[0] == '=') return Wrong("environment");
  }
  if (!ReadText(object, "workdir", &request->working_directory)) return Wrong("workdir");
  return absl::OkStatus();
}

absl::Status ReadTerminal(const json& object, ControlRequest* request) {
  // Of an attach the size says enough: its terminal is the client's own.
  bool terminal = object.contains("rows") || object.contains("cols");
  if (!ReadFlag(object, "terminal", &terminal)) return Wrong("terminal");
  TerminalSize size;
  if (!ReadSide(object, "rows", &size.rows)) return Wrong("rows");
  if (!ReadSide(object, "cols", &size.columns)) return Wrong("cols");
  if (terminal) request->terminal = size;
  return absl::OkStatus();
}

constexpr char kAddMountName[] = "mount_add";
constexpr char kRemoveMountName[] = "mount_remove";

absl::StatusOr<ControlRequest> ReadMountRequest(const json& object, bool add) {
  ControlRequest request;
  request.operation =
      add ? ControlRequest::Operation::kAddMount : ControlRequest::Operation::kRemoveMount;
  if (!ReadBytes(object, "guest", &request.guest)) return Wrong("guest");
  if (request.guest.find('\0') != std::string::npos) return Wrong("guest");
  if (!add) return request;
  if (!ReadBytes(object, "host", &request.host)) return Wrong("host");
  if (request.host.find('\0') != std::string::npos) return Wrong("host");
  if (!ReadText(object, "mode", &request.mode)) return Wrong("mode");
  return request;
}

absl::Status SetTimeout(int socket, std::chrono::milliseconds timeout) {
  const timeval wait = {.tv_sec = timeout.count() / 1000,
                        .tv_usec = static_cast<suseconds_t>(timeout.count() % 1000 * 1000)};
  if (setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) != 0 ||
      setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) != 0) {
    return absl::ErrnoToStatus(errno, "setsockopt");
  }
  return absl::OkStatus();
}

absl::Status FromErrno(int error) {
  if (error == EAGAIN || error == EINPROGRESS) {
    return absl::DeadlineExceededError("the session's monitor does not answer");
  }
  if (error == ENOENT || error == ECONNREFUSED || error == ECONNRESET || error == EPIPE) {
    return absl::NotFoundError("the session has ended");
  }
  return absl::ErrnoToStatus(error, "the session's control socket");
}

absl::Status FromAnswer(const std::string& text) {
  const json answer = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!answer.is_object()) return absl::InternalError("the monitor's answer cannot be read");
  if (const auto ok = answer.find("ok"); ok != answer.end() && *ok == true) return absl::OkStatus();
  const auto error = answer.find("error");
  std::string code, message = "the monitor refuses";
  if (error != answer.end() && error->is_object()) {
    ReadText(*error, "code", &code);
    ReadText(*error, "message", &message);
  }
  for (const ErrorCode& each : kErrorCodes) {
    if (code == each.text) return absl::Status(each.code, message);
  }
  return absl::InternalError(message);
}

}  // namespace

std::string ControlRequestToJson(const ControlRequest& request) {
  json value;
  if (request.is_about_mounts()) {
    const bool add = request.operation == ControlRequest::Operation::kAddMount;
    value["op"] = add ? kAddMountName : kRemoveMountName;
    value["guest"] = absl::Base64Escape(request.guest);
    if (add) value["host"] = absl::Base64Escape(request.host);
    if (add) value["mode"] = request.mode;
    return value.dump();
  }
  const bool exec = request.operation == ControlRequest::Operation::kExec;
  value["op"] = exec ? "exec" : "attach";
  value["early"] = absl::Base64Escape(request.early);
  value["preamble"] = absl::Base64Escape(request.preamble);
  value["stdin"] = request.stdin_open;
  if (request.terminal.has_value()) {
    if (exec) value["terminal"] = true;
    value["rows"] = request.terminal->rows;
    value["cols"] = request.terminal->columns;
  }
  if (exec) {
    value["argv"] = request.argv;
    value["environment"] = request.environment;
    value["workdir"] = request.working_directory;
  } else {
    value["replay"] = request.replay;
  }
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

absl::StatusOr<ControlRequest> ControlRequestFromJson(const std::string& text) {
  const json value = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!value.is_object()) return absl::InvalidArgumentError("this is no JSON object");
  ControlRequest request;
  std::string operation;
  if (!ReadText(value, "op", &operation)) return Wrong("op");
  if (operation == kAddMountName || operation == kRemoveMountName) {
    return ReadMountRequest(value, operation == kAddMountName);
  }
  if (operation == "exec") {
    request.operation = ControlRequest::Operation::kExec;
    if (absl::Status read = ReadExec(value, &request); !read.ok()) return read;
  } else if (operation != "attach") {
    return Wrong("op");
  }
  if (!ReadBytes(value, "early", &request.early)) return Wrong("early");
  if (!ReadBytes(value, "preamble", &request.preamble)) return Wrong("preamble");
  if (!ReadFlag(value, "stdin", &request.stdin_open)) return Wrong("stdin");
  if (!ReadFlag(value, "replay", &request.replay)) return Wrong("replay");
  if (absl::Status read = ReadTerminal(value, &request); !read.ok()) return read;
  return request;
}

std::string ControlAnswer(const absl::Status& status) {
  if (status.ok()) return R"({"ok":true})";
  const char* code = "failed";
  for (const ErrorCode& each : kErrorCodes) {
    if (status.code() == each.code) code = each.text;
  }
  const json answer = {
      {"error", {{"code", code}, {"message", std::string(status.message().substr(0, 1024))}}}};
  return answer.dump(-1, ' ', false, json::error_handler_t::replace);
}

sockaddr_un ControlAddress(int directory) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", directory,
           kSessionControlSocket);
  return address;
}

namespace {

// `descriptor`: -1: none goes along.
absl::Status Ask(int directory, const ControlRequest& request, int descriptor,
                 std::chrono::milliseconds timeout) {
  const std::string text = ControlRequestToJson(request);
  if (text.size() > kMaxControlRequest) {
    return absl::InvalidArgumentError(
        absl::StrCat("the request has more than ", kMaxControlRequest, " bytes"));
  }
  const OwnedFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return absl::ErrnoToStatus(errno, "socket");
  if (absl::Status limited = SetTimeout(socket.get(), timeout); !limited.ok()) return limited;
  const sockaddr_un address = ControlAddress(directory);
  if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return FromErrno(errno);
  }
  SysStatus sent = SendWithDescriptors(socket.get(), text.data(), text.size(), &descriptor,
                                       descriptor >= 0 ? 1 : 0);
  if (!sent.ok()) return FromErrno(sent.error());
  std::array<char, kMaxAnswer> answer;
  ssize_t size;
  do {
    size = recv(socket.get(), answer.data(), answer.size(), 0);
  } while (size < 0 && errno == EINTR);
  if (size < 0) return FromErrno(errno);
  if (size == 0) return FromErrno(EPIPE);
  return FromAnswer(std::string(answer.data(), static_cast<size_t>(size)));
}

}  // namespace

absl::Status HandOverStream(int directory, const ControlRequest& request, int stream,
                            std::chrono::milliseconds timeout) {
  return Ask(directory, request, stream, timeout);
}

absl::Status AskForMount(int directory, const ControlRequest& request,
                         std::chrono::milliseconds timeout) {
  return Ask(directory, request, -1, timeout);
}

}  // namespace sessionctl
