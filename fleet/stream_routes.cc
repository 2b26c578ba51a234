// Routes of the control API whose answers go on: logs, events, attach, exec.
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <climits>
#include <cstdint>
#include <string>
#include <utility>

#include "fleet/api.h"
#include "fleet/event_json.h"
#include "fleet/problem.h"
#include "fleet/spawn_spec.h"
#include "nlohmann/json.hpp"
#include "sandbox/base/syscalls.h"
#include "supervisor/session_control.h"
#include "supervisor/session_log.h"

namespace sessionctl {
namespace {

using nlohmann::ordered_json;
using Error = boost::system::error_code;
using std::chrono::milliseconds;

constexpr size_t kLogChunk = size_t{64} * 1024;
constexpr milliseconds kLogPoll(50);
constexpr size_t kMaxWaiting = size_t{1} << 20;  // events that a follower has not taken
constexpr milliseconds kHandOverTime(10'000);
constexpr char kStreamProtocol[] = "sessionctl-stream";

struct LogQuery {
  bool follow = false, audit = false;
  uint64_t offset = 0;
};

// One client that reads a session's log. Reads on only when the client has taken what it has.
class LogStream : public std::enable_shared_from_this<LogStream> {
 public:
  LogStream(Api& api, ExchangePtr exchange, SessionDirectory directory, const LogQuery& wanted)
      : exchange_(std::move(exchange)),
        directory_(std::move(directory)),
        reader_(directory_.fd()),
        timer_(api.supervisor.io()),
        offset_(wanted.offset),
        follow_(wanted.follow),
        audit_(wanted.audit) {}

  void Start() {
    if (audit_) {
      SysResult<OwnedFd> file = OpenFileBeneath(directory_.fd(), kSessionAuditFile);
      if (!file.ok()) return Refuse(file.error());
      audit_file_ = std::move(*file);
      lseek(audit_file_.get(), static_cast<off_t>(offset_), SEEK_SET);
    } else {
      if (SysStatus found = reader_.SeekTo(offset_); !found.ok()) return Refuse(found.error());
    }
    SysResult<std::string> first = Read();
    if (!first.ok()) return Refuse(first.error());
    if (!audit_) offset_ = reader_.position() - first->size();
    const std::string headers =
        std::string(kLogOffsetHeader) + ": " + std::to_string(offset_) + "\r\n";
    exchange_->OnGone([self = shared_from_this()] { self->timer_.cancel(); });
    exchange_->BeginStream(200, audit_ ? "application/x-ndjson" : "application/octet-stream",
                           headers);
    Send(std::move(*first));
  }

 private:
  void Refuse(int error) {
    exchange_->Reply(ProblemOf(absl::ErrnoToStatus(error, "logs of " + directory_.id())));
  }

  SysResult<std::string> Read() {
    // Asked before the read: what was written before the end is then read for sure.
    alive_ = follow_ && directory_.IsLocked();
    if (!audit_) return reader_.Read(kLogChunk);
    std::string bytes(kLogChunk, '\0');
    const ssize_t count = read(audit_file_.get(), bytes.data(), bytes.size());
    if (count < 0) return LastErrno();
    bytes.resize(static_cast<size_t>(count));
    return bytes;
  }

  void Send(std::string bytes) {
    if (!bytes.empty()) {
      offset_ += bytes.size();
      return exchange_->Write(std::move(bytes), [self = shared_from_this()] { self->Next(); });
    }
    if (!alive_) return exchange_->End();
    timer_.expires_after(kLogPoll);
    timer_.async_wait([self = shared_from_this()](const Error& error) {
      if (!error) self->Next();
    });
  }

  void Next() {
    SysResult<std::string> bytes = Read();
    if (!bytes.ok()) return exchange_->Close();
    // So slow that what comes next was dropped: it is told by an answer that breaks off.
    if (!audit_ && reader_.position() != offset_ + bytes->size()) return exchange_->Close();
    Send(std::move(*bytes));
  }

  ExchangePtr exchange_;
  SessionDirectory directory_;
  SessionLogReader reader_;
  OwnedFd audit_file_;
  boost::asio::steady_timer timer_;
  uint64_t offset_;  // of what comes next
  const bool follow_, audit_;
  bool alive_ = false;
};

void Logs(Api& api, const ExchangePtr& exchange) {
  QueryFields query(exchange->request().query);
  const LogQuery wanted = {.follow = query.Flag("follow"),
                           .audit = query.Flag("audit"),
                           .offset = query.Number("offset", INT64_MAX).value_or(0)};
  if (Refused(exchange, query.Wrong())) return;
  const std::optional<std::string> id = SessionOf(api, exchange);
  if (!id.has_value()) return;
  absl::StatusOr<SessionDirectory> directory = api.supervisor.store().Find(*id);
  if (!directory.ok()) return exchange->Reply(ProblemOf(directory.status(), "id"));
  std::make_shared<LogStream>(api, exchange, *std::move(directory), wanted)->Start();
}

bool Wanted(const Selector& selector, const FleetEvent& event) {
  KnownSession view;
  view.record.labels = event.labels;
  view.record.place = event.place;
  return Matches(selector, view);
}

void Events(Api& api, const ExchangePtr& exchange) {
  const std::optional<Selector> selector = SelectorOf(exchange);
  if (!selector.has_value()) return;
  QueryFields query(exchange->request().query);
  const bool follow = query.Flag("follow");
  const uint64_t after = query.Number("since", INT64_MAX).value_or(0);
  if (Refused(exchange, query.Wrong())) return;
  exchange->BeginStream(200, "application/x-ndjson", "");
  std::string past;
  for (const FleetEvent& event : api.supervisor.Events()) {
    if (event.sequence > after && Wanted(*selector, event)) past += DumpLine(EventToJson(event));
  }
  exchange->Write(std::move(past));
  if (!follow) return exchange->End();
  const Supervisor::WatchId watch =
      api.supervisor.Watch([exchange, selector = *selector](const FleetEvent& event) {
        if (!Wanted(selector, event)) return;
        if (exchange->waiting() > kMaxWaiting) return exchange->Close();  // it does not keep up
        exchange->Write(DumpLine(EventToJson(event)));
      });
  exchange->OnGone([&api, watch] { api.supervisor.Unwatch(watch); });
}

std::optional<TerminalSize> SizeOf(BodyFields& fields) {
  const auto rows = fields.Integer("rows", 0, UINT16_MAX);
  const auto columns = fields.Integer("cols", 0, UINT16_MAX);
  if (!rows.has_value() && !columns.has_value()) return std::nullopt;
  TerminalSize size;
  if (rows.has_value()) size.rows = static_cast<uint16_t>(*rows);
  if (columns.has_value()) size.columns = static_cast<uint16_t>(*columns);
  return size;
}

// Gives the connection to the session's monitor, which writes the 101 itself once it agrees; until
// then an error is an answer like any other.
void HandOver(Api& api, const ExchangePtr& exchange, ControlRequest request) {
  if (exchange->request().upgrade != kStreamProtocol) {
    return exchange->Reply(
        Problem(426, "upgrade_required", "this answer is a stream: Upgrade: sessionctl-stream"));
  }
  const std::optional<std::string> id = SessionOf(api, exchange);
  if (!id.has_value()) return;
  absl::StatusOr<KnownSession> view = api.supervisor.Find(*id);
  absl::StatusOr<SessionDirectory> directory = api.supervisor.store().Find(*id);
  if (!view.ok() || !directory.ok()) {
    return exchange->Reply(ProblemOf(view.ok() ? directory.status() : view.status(), "id"));
  }
  if (!view->alive) {
    return exchange->Reply(Problem(409, "conflict", "session " + *id + " has ended", "id"));
  }
  request.preamble =
      "HTTP/1.1 101 Switching Protocols\r\nServer: sessionctl\r\nConnection: Upgrade\r\nUpgrade: "
      "sessionctl-stream\r\n\r\n";
  auto stream = std::make_shared<OwnedFd>(exchange->Duplicate(&request.early));
  if (!stream->valid()) return exchange->Close();
  auto where = std::make_shared<SessionDirectory>(*std::move(directory));
  boost::asio::post(api.streams, [&api, exchange, stream, where, request = std::move(request)] {
    const absl::Status handed = HandOverStream(where->fd(), request, stream->get(), kHandOverTime);
    boost::asio::post(api.supervisor.io(), [exchange, stream, handed] {
      stream->Reset();
      if (handed.ok()) return exchange->GiveAway();
      exchange->Reply(absl::IsNotFound(handed)
                          ? Problem(409, "conflict", "the session has ended", "id")
                          : ProblemOf(handed));
    });
  });
}

void Attach(Api& api, const ExchangePtr& exchange) {
  const std::optional<ordered_json> body = BodyObject(exchange);
  if (!body.has_value()) return;
  BodyFields fields(*body);
  ControlRequest request;
  request.operation = ControlRequest::Operation::kAttach;
  request.stdin_open = fields.Flag("stdin", true);
  request.replay = fields.Flag("replay", true);
  request.terminal = SizeOf(fields);
  if (Refused(exchange, fields.Wrong())) return;
  HandOver(api, exchange, std::move(request));
}

void Exec(Api& api, const ExchangePtr& exchange) {
  const std::optional<ordered_json> body = BodyObject(exchange);
  if (!body.has_value()) return;
  BodyFields fields(*body);
  ControlRequest request;
  request.operation = ControlRequest::Operation::kExec;
  request.stdin_open = fields.Flag("stdin", false);
  const std::optional<TerminalSize> size = SizeOf(fields);
  if (fields.Flag("terminal", false)) request.terminal = size.value_or(TerminalSize{});
  request.working_directory = fields.Text("workdir", PATH_MAX).value_or("");
  // The words and variables are read as those of a session are.
  ordered_json spec_body = ordered_json::object();
  for (const char* name : {"command", "environment"}) {
    if (const ordered_json* part = fields.Any(name)) spec_body[name] = *part;
  }
  if (Refused(exchange, fields.Wrong())) return;
  SpawnSpec spec;
  if (Refused(exchange, SpecFromJson(spec_body, /*internal=*/false, spec))) return;
  request.argv = spec.command;
  request.environment = spec.environment;
  HandOver(api, exchange, std::move(request));
}

}  // namespace

std::vector<Route> StreamRoutes() {
  return {{"GET", "/v1/sessions/{id}/logs", Logs, {"follow", "audit", "offset"}},
          {"POST", "/v1/sessions/{id}/attach", Attach},
          {"POST", "/v1/sessions/{id}/exec", Exec},
          {"GET", "/v1/events", Events, {"follow", "since", "label", "deployment"}}};
}

}  // namespace sessionctl
