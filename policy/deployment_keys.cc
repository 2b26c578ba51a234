#include "policy/deployment_keys.h"

#include <set>
#include <utility>

#include "policy/key_makers.h"
#include "sandbox/signal_names.h"

namespace sessionctl {
namespace {

using S = DeploymentSession;
using Strings = std::vector<std::string>;

constexpr size_t kMaxNameLength = 63;
constexpr size_t kMaxLabelLength = 256;
constexpr char kNamePattern[] = "^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$";

std::string CheckLabel(const std::string& text) {
  return text.size() <= kMaxLabelLength ? CheckNotEmpty(text) : "is longer than 256 bytes";
}

std::string CheckStopSignal(const std::string& text) {
  return SignalNumber(text) != 0 ? "" : "is no signal, as \"TERM\" or \"INT\"";
}

std::string CheckReadyFile(const std::string& path) {
  return !path.empty() && path[0] == '/' ? "" : "is not an absolute path";
}

// A map that grows, as environment.set.
template <typename T, typename Field>
PolicyKey<T> MapKey(std::string section, std::string name, std::string description, Field field) {
  return {std::move(section),
          std::move(name),
          KeyType::kStringMap,
          std::move(description),
          [field](T* target, const KeyValue& value) {
            for (const auto& [entry, text] : std::get<StringMap>(value)) {
              field(*target)[entry] = text;
            }
          },
          [field](const T& source) -> KeyValue { return field(const_cast<T&>(source)); }};
}

// Words in their order, unlike a list of the policy, which is a set.
PolicyKey<S> CommandKey() {
  PolicyKey<S> key = {
      "",
      "command",
      KeyType::kStringList,
      "The command and its arguments.",
      [](S* session, const KeyValue& value) { session->command = std::get<Strings>(value); },
      [](const S& session) -> KeyValue { return session.command; }};
  key.required = true;
  return key;
}

template <typename T>
PolicyKey<T> NameKey(std::string section, std::string description, std::string T::*member) {
  PolicyKey<T> key =
      Checked(StringKey<T>(std::move(section), "name", std::move(description),
                           [member](T& target) -> std::string& { return target.*member; }),
              CheckFleetName);
  key.required = true;
  key.pattern = kNamePattern;
  return key;
}

std::vector<PolicyKey<S>> RestartKeys() {
  return {
      EnumKey<S>("", "restart",
                 "When a session that ended is started again: never, after any end but exit code "
                 "0, or always.",
                 {"never", "on-failure", "always"},
                 [](S& session) -> RestartWhen& { return session.restart.when; }),
      DurationKey<S>("", "restart_delay",
                     "Before the first restart; it doubles with each short run in a row.",
                     [](S& session) -> int64_t& { return session.restart.delay; }),
      DurationKey<S>("", "restart_delay_max", "The longest that restart_delay grows to.",
                     [](S& session) -> int64_t& { return session.restart.delay_max; }),
      IntegerKey<S>("", "restart_limit",
                    "Short runs in a row after which it is left alone (crash loop); 0: never.", 0,
                    1'000'000, [](S& session) -> int& { return session.restart.limit; }),
      DurationKey<S>("", "healthy_after", "A run that lasted this long is no short one.",
                     [](S& session) -> int64_t& { return session.restart.healthy_after; }),
  };
}

std::vector<PolicyKey<S>> ProbeKeys() {
  return {
      DurationKey<S>("", "start_timeout",
                     "A session that is not ready after this time is killed: a failed start.",
                     [](S& session) -> int64_t& { return session.start_timeout; }),
      Checked(StringKey<S>("ready", "file",
                           "Ready when this path exists in one of its mounts. {session}, {user}, "
                           "{replica} and {deployment} expand.",
                           [](S& session) -> std::string& { return session.ready.file; }),
              CheckReadyFile),
      Checked(StringKey<S>("ready", "output", "Ready when a line of its output contains this.",
                           [](S& session) -> std::string& { return session.ready.output; }),
              CheckNotEmpty),
  };
}

std::vector<PolicyKey<S>> DefinitionKeys() {
  return {
      NameKey<S>("", "The name of the session, unique in its deployment.", &S::name),
      CommandKey(),
      Checked(MapKey<S>("", "environment",
                        "Variables over environment.set. {replica} and {deployment} expand.",
                        [](S& session) -> StringMap& { return session.environment; }),
              CheckEnvironmentName),
      BoolKey<S>("", "stdin", "Whether standard input is open for attach; else it is empty.",
                 [](S& session) -> bool& { return session.stdin_open; }),
      Checked(MapKey<S>("", "labels", "Labels, to select sessions by.",
                        [](S& session) -> StringMap& { return session.labels; }),
              CheckLabel),
      Checked(StringKey<S>("", "stop_signal", "The signal that asks the command to end.",
                           [](S& session) -> std::string& { return session.stop_signal; }),
              CheckStopSignal),
      DurationKey<S>("", "stop_timeout", "From that signal until the whole tree is killed.",
                     [](S& session) -> int64_t& { return session.stop_timeout; }),
  };
}

const std::set<std::string>& DefinitionNames() {
  static const auto* const names = [] {
    auto* made = new std::set<std::string>();
    for (const PolicyKey<S>& key : DefinitionKeys()) made->insert(key.name);
    return made;
  }();
  return *names;
}

}  // namespace

std::string CheckFleetName(const std::string& name) {
  if (name.empty()) return "is empty";
  if (name.size() > kMaxNameLength) return "is longer than 63 bytes";
  const char* const kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
  const bool odd = name.find_first_not_of(kLetters) != std::string::npos;
  const bool first = name[0] == '_' || name[0] == '-';
  return odd || first ? "is no name: letters, digits, and from the second on also _ and -" : "";
}

const std::vector<PolicyKey<Deployment>>& DeploymentKeys() {
  static const auto* const keys = new std::vector<PolicyKey<Deployment>>{
      NameKey<Deployment>("deployment", "The name of the deployment.", &Deployment::name),
      Checked(MapKey<Deployment>(
                  "deployment", "labels", "Labels of every session.",
                  [](Deployment& deployment) -> StringMap& { return deployment.labels; }),
              CheckLabel)};
  return *keys;
}

const std::vector<PolicyKey<DeploymentSession>>& DeploymentSessionKeys() {
  static const auto* const keys = [] {
    auto* all = new std::vector<PolicyKey<S>>(DefinitionKeys());
    all->push_back(IntegerKey<S>("", "replicas", "How many sessions like this one there are.", 0,
                                 kMaxReplicas,
                                 [](S& session) -> int& { return session.replicas; }));
    for (auto make : {RestartKeys, ProbeKeys}) {
      for (PolicyKey<S>& key : make()) all->push_back(std::move(key));
    }
    return all;
  }();
  return *keys;
}

bool IsDefinitionKey(const PolicyKey<DeploymentSession>& key) {
  return key.section.empty() && DefinitionNames().contains(key.name);
}

}  // namespace sessionctl
