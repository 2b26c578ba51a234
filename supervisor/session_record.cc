#include "supervisor/session_record.h"

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "nlohmann/json.hpp"

namespace sessionctl {
namespace {

using nlohmann::ordered_json;

ordered_json IdentityToJson(const ProcessIdentity& process) {
  if (process.pid == 0) return nullptr;
  return {{"pid", process.pid}, {"start_ticks", process.start_ticks}};
}

ordered_json ExitToJson(const std::optional<SessionExit>& exit) {
  if (!exit.has_value()) return nullptr;
  ordered_json result;
  result["code"] = exit->code.has_value() ? ordered_json(*exit->code) : ordered_json(nullptr);
  result["signal"] = exit->signal.has_value() ? ordered_json(*exit->signal) : ordered_json(nullptr);
  result["reason"] = exit->reason;
  return result;
}

// A whole number without a point, as most limits are.
ordered_json NumberToJson(double value) {
  const auto whole = static_cast<int64_t>(value);
  return static_cast<double>(whole) == value ? ordered_json(whole) : ordered_json(value);
}

ordered_json LimitsToJson(const std::vector<SessionLimit>& limits) {
  ordered_json result = ordered_json::object();
  for (const SessionLimit& limit : limits) {
    result[limit.name] = {{"limit", NumberToJson(limit.value)}, {"by", limit.by}};
  }
  return result;
}

ordered_json PlaceToJson(const SessionPlace& place) {
  if (place.deployment.empty()) return nullptr;
  return {{"deployment", place.deployment}, {"session", place.session},
          {"replica", place.replica},       {"restarts", place.restarts},
          {"failures", place.failures},     {"version", place.version},
          {"definition", place.definition}};
}

ordered_json UsageToJson(const std::optional<SessionUsage>& usage) {
  if (!usage.has_value()) return nullptr;
  return {{"cpu_user_us", usage->cpu_user},
          {"cpu_system_us", usage->cpu_system},
          {"peak_memory_bytes", usage->peak_memory}};
}

}  // namespace

ordered_json SessionMountToJson(const SessionMount& mount) {
  ordered_json json = {{"host", mount.host},
                       {"guest", mount.guest.empty() ? mount.host : mount.guest},
                       {"mode", mount.mode},
                       {"added", mount.added}};
  if (mount.max_bytes) json["max_bytes"] = *mount.max_bytes;
  if (mount.max_files) json["max_files"] = *mount.max_files;
  return json;
}

ordered_json RecordToJsonValue(const SessionRecord& record) {
  ordered_json mounts = ordered_json::array();
  for (const SessionMount& mount : record.mounts) {
    mounts.push_back(SessionMountToJson(mount));
  }
  ordered_json result;
  result["version"] = kSessionRecordVersion;
  result["id"] = record.id;
  result["name"] = record.name;
  result["labels"] = record.labels;
  result["place"] = PlaceToJson(record.place);
  result["state"] = SessionStateName(record.state);
  result["command"] = record.command;
  result["mounts"] = mounts;
  result["monitor"] = IdentityToJson(record.monitor);
  result["broker"] = IdentityToJson(record.broker);
  result["process"] = IdentityToJson(record.process);
  result["created"] = record.created;
  result["started"] = record.started.empty() ? ordered_json(nullptr) : ordered_json(record.started);
  result["ended"] = record.ended.empty() ? ordered_json(nullptr) : ordered_json(record.ended);
  result["exit"] = ExitToJson(record.exit);
  result["mediated_calls"] = record.mediated_calls;
  result["denials"] = record.denials;
  result["output_bytes"] = record.output_bytes;
  result["output_lost_bytes"] = record.output_lost_bytes;
  result["missing_walls"] = record.missing_walls;
  result["user"] = record.user;
  result["capabilities"] = record.capabilities;
  result["warnings"] = record.warnings;
  result["limits"] = LimitsToJson(record.limits);
  result["stop"] = {{"signal", record.stop.signal}, {"timeout_ms", record.stop.timeout}};
  result["terminal"] = record.terminal;
  result["usage"] = UsageToJson(record.usage);
  return result;
}

namespace {

std::string Dump(const ordered_json& value) {
  return value.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

// Readers of single members: a missing or ill-typed member leaves the default, so that a later
// version's file can be read by an earlier one.
std::string StringMember(const ordered_json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

std::vector<std::string> StringsMember(const ordered_json& object, const char* key) {
  std::vector<std::string> result;
  const auto it = object.find(key);
  if (it == object.end() || !it->is_array()) return result;
  for (const ordered_json& element : *it) {
    if (element.is_string()) result.push_back(element.get<std::string>());
  }
  return result;
}

template <typename T>
std::optional<T> NumberMember(const ordered_json& object, const char* key) {
  const auto it = object.find(key);
  if (it == object.end() || !it->is_number_integer()) return std::nullopt;
  return it->get<T>();
}

ProcessIdentity IdentityMember(const ordered_json& object, const char* key) {
  const auto it = object.find(key);
  if (it == object.end() || !it->is_object()) return {};
  return {.pid = NumberMember<pid_t>(*it, "pid").value_or(0),
          .start_ticks = NumberMember<uint64_t>(*it, "start_ticks").value_or(0)};
}

std::optional<SessionExit> ExitMember(const ordered_json& object) {
  const auto it = object.find("exit");
  if (it == object.end() || !it->is_object()) return std::nullopt;
  return SessionExit{.code = NumberMember<int>(*it, "code"),
                     .signal = NumberMember<int>(*it, "signal"),
                     .reason = StringMember(*it, "reason")};
}

std::map<std::string, std::string> LabelsMember(const ordered_json& object) {
  std::map<std::string, std::string> labels;
  const auto it = object.find("labels");
  if (it == object.end() || !it->is_object()) return labels;
  for (const auto& [key, value] : it->items()) {
    if (value.is_string()) labels[key] = value.get<std::string>();
  }
  return labels;
}

SessionPlace PlaceMember(const ordered_json& object) {
  const auto it = object.find("place");
  if (it == object.end() || !it->is_object()) return {};
  return {.deployment = StringMember(*it, "deployment"),
          .session = StringMember(*it, "session"),
          .replica = NumberMember<int>(*it, "replica").value_or(0),
          .restarts = NumberMember<int>(*it, "restarts").value_or(0),
          .failures = NumberMember<int>(*it, "failures").value_or(0),
          .version = NumberMember<int>(*it, "version").value_or(0),
          .definition = StringMember(*it, "definition")};
}

StopRule StopMember(const ordered_json& object) {
  const auto it = object.find("stop");
  if (it == object.end() || !it->is_object()) return {};
  StopRule rule;
  rule.signal = NumberMember<int>(*it, "signal").value_or(rule.signal);
  rule.timeout = NumberMember<int64_t>(*it, "timeout_ms").value_or(rule.timeout);
  return rule;
}

std::optional<SessionUsage> UsageMember(const ordered_json& object) {
  const auto it = object.find("usage");
  if (it == object.end() || !it->is_object()) return std::nullopt;
  return SessionUsage{.cpu_user = NumberMember<int64_t>(*it, "cpu_user_us").value_or(0),
                      .cpu_system = NumberMember<int64_t>(*it, "cpu_system_us").value_or(0),
                      .peak_memory = NumberMember<int64_t>(*it, "peak_memory_bytes").value_or(0)};
}

std::vector<SessionMount> MountsMember(const ordered_json& object) {
  std::vector<SessionMount> mounts;
  const auto it = object.find("mounts");
  if (it == object.end() || !it->is_array()) return mounts;
  for (const ordered_json& mount : *it) {
    if (!mount.is_object()) continue;
    mounts.push_back({.host = StringMember(mount, "host"),
                      .mode = StringMember(mount, "mode"),
                      .guest = StringMember(mount, "guest"),
                      .added = mount.value("added", ordered_json()) == true,
                      .max_bytes = NumberMember<int64_t>(mount, "max_bytes"),
                      .max_files = NumberMember<int64_t>(mount, "max_files")});
  }
  return mounts;
}

std::vector<SessionLimit> LimitsMember(const ordered_json& object) {
  std::vector<SessionLimit> limits;
  const auto it = object.find("limits");
  if (it == object.end() || !it->is_object()) return limits;
  for (const auto& [name, limit] : it->items()) {
    if (!limit.is_object()) continue;
    const auto value = limit.find("limit");
    if (value == limit.end() || !value->is_number()) continue;
    limits.push_back(
        {.name = name, .value = value->get<double>(), .by = StringMember(limit, "by")});
  }
  return limits;
}

constexpr std::array<SessionState, 5> kStates = {SessionState::kStarting, SessionState::kRunning,
                                                 SessionState::kExited, SessionState::kFailed,
                                                 SessionState::kLost};

std::optional<SessionState> StateMember(const ordered_json& object) {
  const std::string name = StringMember(object, "state");
  for (SessionState state : kStates) {
    if (name == SessionStateName(state)) return state;
  }
  return std::nullopt;
}

}  // namespace

bool IsSessionId(std::string_view name) {
  return name.size() == 12 && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

const char* SessionStateName(SessionState state) {
  switch (state) {
    case SessionState::kStarting: return "starting";
    case SessionState::kRunning: return "running";
    case SessionState::kExited: return "exited";
    case SessionState::kFailed: return "failed";
    case SessionState::kLost: return "lost";
  }
  return "lost";
}

int ShellExitCode(const SessionExit& exit) {
  if (exit.code.has_value()) return *exit.code;
  if (exit.signal.has_value()) return 128 + *exit.signal;
  return 125;
}

std::string RecordToJson(const SessionRecord& record) { return Dump(RecordToJsonValue(record)); }

std::string RecordsToJson(const std::vector<SessionRecord>& records) {
  ordered_json result = ordered_json::array();
  for (const SessionRecord& record : records) result.push_back(RecordToJsonValue(record));
  return Dump(result);
}

absl::StatusOr<SessionRecord> RecordFromJson(const std::string& text) {
  const ordered_json value = ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded() || !value.is_object()) return absl::DataLossError("not a JSON object");
  const int version = NumberMember<int>(value, "version").value_or(kSessionRecordVersion);
  if (version > kSessionRecordVersion) {
    return absl::UnimplementedError("written by a later version of sessionctl: \"version\" is " +
                                    std::to_string(version));
  }
  const std::optional<SessionState> state = StateMember(value);
  if (!state.has_value()) return absl::DataLossError("no valid \"state\"");
  SessionRecord record;
  record.id = StringMember(value, "id");
  if (!IsSessionId(record.id)) return absl::DataLossError("no valid \"id\"");
  record.name = StringMember(value, "name");
  record.labels = LabelsMember(value);
  record.place = PlaceMember(value);
  record.command = StringsMember(value, "command");
  record.mounts = MountsMember(value);
  record.monitor = IdentityMember(value, "monitor");
  record.broker = IdentityMember(value, "broker");
  record.process = IdentityMember(value, "process");
  record.state = *state;
  record.created = StringMember(value, "created");
  record.started = StringMember(value, "started");
  record.ended = StringMember(value, "ended");
  record.exit = ExitMember(value);
  record.mediated_calls = NumberMember<uint64_t>(value, "mediated_calls").value_or(0);
  record.denials = NumberMember<uint64_t>(value, "denials").value_or(0);
  record.output_bytes = NumberMember<uint64_t>(value, "output_bytes").value_or(0);
  record.output_lost_bytes = NumberMember<uint64_t>(value, "output_lost_bytes").value_or(0);
  record.missing_walls = StringsMember(value, "missing_walls");
  record.user = StringMember(value, "user");
  record.capabilities = StringsMember(value, "capabilities");
  record.warnings = StringsMember(value, "warnings");
  record.limits = LimitsMember(value);
  record.stop = StopMember(value);
  const auto terminal = value.find("terminal");
  record.terminal = terminal != value.end() && terminal->is_boolean() && terminal->get<bool>();
  record.usage = UsageMember(value);
  return record;
}

std::string CurrentTimestamp() {
  timespec now = {};
  clock_gettime(CLOCK_REALTIME, &now);
  tm utc = {};
  gmtime_r(&now.tv_sec, &utc);
  char date[32];
  strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
  char stamp[48];
  snprintf(stamp, sizeof(stamp), "%s.%03ldZ", date, now.tv_nsec / 1000000);
  return stamp;
}

std::string NewSessionId() {
  std::array<unsigned char, 6> bytes = {};
  size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t count = getrandom(bytes.data() + filled, bytes.size() - filled, 0);
    if (count > 0) filled += static_cast<size_t>(count);
    // ENOSYS: below Linux 3.17, where nothing else works either.
    if (count < 0 && errno != EINTR) abort();
  }
  char text[13];
  for (size_t i = 0; i < bytes.size(); ++i) snprintf(text + 2 * i, 3, "%02x", bytes[i]);
  return text;
}

}  // namespace sessionctl
