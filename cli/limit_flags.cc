// The flags that are keys of [limits] (policy_flags.h).
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "cli/policy_flags.h"

namespace sessionctl {
namespace {

struct LimitFlag {
  const char* flag;
  const char* key;
  const char* type;
  const char* help;
};

constexpr LimitFlag kLimitFlags[] = {
    {"-m,--memory", "memory", "SIZE", "Memory of all together, as 512M"},
    {"--pids", "pids", "N", "Processes and threads"},
    {"--cpu", "cpu", "N", "Processors, as 0.5"},
    {"-t,--timeout", "wall_time", "TIME", "End the session after this time, as 10s or 5m"},
    {"--idle-timeout", "idle_time", "TIME", "End it when it has done nothing for this time"},
    {"--fds", "open_files", "N", "Open descriptors of one process"},
    {"--fsize", "file_size", "SIZE", "The size of one file"},
};

const PolicyKey<SessionPolicy>& KeyOf(const std::string& name) {
  static const auto* const keys = new std::vector<PolicyKey<SessionPolicy>>(LimitKeys());
  return *std::find_if(keys->begin(), keys->end(),
                       [&](const PolicyKey<SessionPolicy>& key) { return key.name == name; });
}

// Sets `value` to the word as the policy file would have it; else says what is wrong with it.
std::string ReadLimit(const PolicyKey<SessionPolicy>& key, const std::string& word,
                      KeyValue* value) {
  double number = 0;
  int64_t whole = 0;
  switch (key.type) {
    case KeyType::kInteger:
      if (absl::SimpleAtoi(word, &whole) && whole >= key.minimum && whole <= key.maximum) {
        value->emplace<int64_t>(whole);
        return "";
      }
      return absl::StrCat("is not a whole number from ", key.minimum, " to ", key.maximum);
    case KeyType::kNumber:
      if (absl::SimpleAtod(word, &number) && number > static_cast<double>(key.minimum) &&
          number <= static_cast<double>(key.maximum)) {
        value->emplace<double>(number);
        return "";
      }
      return absl::StrCat("is not a number above ", key.minimum, " and at most ", key.maximum);
    default: value->emplace<std::string>(word); return key.check(word);
  }
}

}  // namespace

void AddLimitFlags(CLI::App& app, PolicyFlags& flags) {
  for (const LimitFlag& each : kLimitFlags) {
    const PolicyKey<SessionPolicy>& key = KeyOf(each.key);
    app.add_option_function<std::string>(
           each.flag,
           [&flags, &key, &each](const std::string& word) {
             KeyValue value;
             const std::string wrong = ReadLimit(key, word, &value);
             if (!wrong.empty()) {
               throw CLI::ValidationError(each.flag, absl::StrCat("\"", word, "\" ", wrong));
             }
             flags.limits.emplace_back(key.name, value);
           },
           each.help)
        ->type_name(each.type)
        ->group("Limits");
  }
}

void ApplyLimitFlags(const PolicyFlags& flags, SessionPolicy& policy) {
  for (const auto& [name, value] : flags.limits) KeyOf(name).set(&policy, value);
}

}  // namespace sessionctl
