// Prints docs/mediated_calls.md from the syscall table and the denied groups. To write it anew:
//   build/release/mediated_calls_table > docs/mediated_calls.md
#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "policy/broker_filter.h"
#include "policy/syscall_groups.h"
#include "sandbox/seccomp_filter.h"
#include "supervisor/mediator/syscall_table.h"

namespace {

using sessionctl::DescribeArguments;
using sessionctl::MediatedCall;
using sessionctl::SyscallRow;

const char* When(const SyscallRow& row) {
  switch (row.when) {
    case MediatedCall::When::kAlways: return "always";
    case MediatedCall::When::kUnlessRead:
      return "unless it only reads and reads are native; with O_PATH where a mount hides names";
    case MediatedCall::When::kUnlessNative: return row.use;
  }
  return "?";
}

const char* Under(const SyscallRow& row) {
  switch (row.under) {
    case MediatedCall::Under::kEveryPolicy: return "";
    case MediatedCall::Under::kNoMemfdExec: return ", unless `memfd_exec` is allowed";
    case MediatedCall::Under::kMediatedSends:
      return ", where datagrams may name a destination (UDP rules, `unix_datagrams`)";
    case MediatedCall::Under::kMediatedListens:
      return ", where TCP rules hold, unless `network.listen` has `:0`";
    case MediatedCall::Under::kShortenedNames:
      return ", where a writable mount has rules or another mount in it";
    case MediatedCall::Under::kHiddenNames: return ", where a mount hides names";
  }
  return "?";
}

void PrintMediated() {
  std::vector<SyscallRow> rows = sessionctl::SyscallTable();
  std::sort(rows.begin(), rows.end(),
            [](const SyscallRow& a, const SyscallRow& b) { return std::string(a.name) < b.name; });
  printf("## Mediated: carried out by the broker\n\n");
  printf("| call | number | arguments | when |\n| --- | --- | --- | --- |\n");
  for (const SyscallRow& row : rows) {
    printf("| `%s` | %d | %s | %s%s |\n", row.name, row.nr, DescribeArguments(row).c_str(),
           When(row), Under(row));
  }
}

void PrintDenied() {
  printf("\n## Denied, by group\n\n");
  printf("| group | calls | why | if a policy allows it |\n| --- | --- | --- | --- |\n");
  for (const sessionctl::SyscallGroup& group : sessionctl::SyscallGroups()) {
    std::string calls;
    for (const sessionctl::DeniedCall& call : group.calls) {
      std::string text = std::string("`") + call.name + "`";
      if (call.error == 0) continue;  // an exception, not a denial
      if (call.use[0] != '\0') text += std::string(" (") + call.use + ")";
      if (calls.find(text) != std::string::npos) continue;
      calls += (calls.empty() ? "" : ", ") + text;
    }
    const char* allowed = group.wall[0] != '\0' ? "cannot be allowed" : group.cost;
    printf("| `%s` | %s | %s | %s |\n", group.name, calls.c_str(), group.reason, allowed);
  }
  printf(
      "\nThe group `network` (`socket`, `socketpair`, `setsockopt`, and sends with `MSG_FASTOPEN`) "
      "follows from `[network]`:\nsee [policy.md](policy.md#rules) and `policy explain`.\n");
}

void PrintNative() {
  printf("\n## Native, though they take a path\n\n");
  printf("| call | why |\n| --- | --- |\n");
  for (const sessionctl::NativeCall& call : sessionctl::NativePathCalls()) {
    printf("| `%s` | %s |\n", call.name, call.reason);
  }
}

// `name` once, in the order of first mention; "*" when some arguments only are allowed.
std::string CallNames(const std::vector<sessionctl::BrokerCall>& calls) {
  std::string names;
  for (const sessionctl::BrokerCall& call : calls) {
    const std::string name =
        std::string("`") + call.name + "`" + (call.conditions.empty() ? "" : "*");
    if ((names + ",").find(name + ",") != std::string::npos) continue;
    names += (names.empty() ? "" : ", ") + name;
  }
  return names;
}

void PrintBroker() {
  printf("\n## What the broker itself may call\n\n");
  printf(
      "Anything else ends it (SIGSYS), and its session with it. \\* means: with some arguments "
      "only; `policy explain` prints which.\n\n");
  printf("| for | calls |\n| --- | --- |\n");
  for (const sessionctl::BrokerNeed& need : sessionctl::BrokerNeeds()) {
    printf("| %s | %s |\n", need.reason, CallNames(need.calls).c_str());
  }
  std::map<std::string, std::string> callers;  // by what they need
  for (const MediatedCall& call : sessionctl::MediatedCalls()) {
    std::string& names = callers[CallNames(call.broker_calls)];
    names += (names.empty() ? "`" : ", `") + std::string(call.name) + "`";
  }
  for (const auto& [calls, names] : callers) {
    printf("| where it is mediated: %s | %s |\n", names.c_str(), calls.c_str());
  }
}

}  // namespace

int main() {
  printf("# Mediated calls\n\n");
  printf(
      "Written by `mediated_calls_table` from the code; a test compares. Every call that takes a "
      "path stands in "
      "one of the first\nthree tables. Another one is native unless it stands there; a number that "
      "nobody "
      "knows answers ENOSYS.\n\n");
  PrintMediated();
  PrintDenied();
  PrintNative();
  PrintBroker();
  return 0;
}
