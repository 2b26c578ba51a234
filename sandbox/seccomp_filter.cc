#include "sandbox/seccomp_filter.h"

#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "sandbox/bpf_decisions.h"

namespace sessionctl {
namespace {

#ifndef SECCOMP_FILTER_FLAG_NEW_LISTENER
#define SECCOMP_FILTER_FLAG_NEW_LISTENER (1UL << 3)
#endif
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)  // Linux 5.19
#endif

// Names that Debian 12's libseccomp (2.5.4) does not know. The numbers from 424 on are the same on
// every architecture (uapi/asm-generic/unistd.h).
struct NewerSyscall {
  int nr;
  const char* name;
};
constexpr NewerSyscall kNewerSyscalls[] = {
    {449, "futex_waitv"},       {450, "set_mempolicy_home_node"},
    {451, "cachestat"},         {452, "fchmodat2"},
    {453, "map_shadow_stack"},  {454, "futex_wake"},
    {455, "futex_wait"},        {456, "futex_requeue"},
    {457, "statmount"},         {458, "listmount"},
    {459, "lsm_get_self_attr"}, {460, "lsm_set_self_attr"},
    {461, "lsm_list_modules"},  {462, "mseal"},
    {463, "setxattrat"},        {464, "getxattrat"},
    {465, "listxattrat"},       {466, "removexattrat"},
    {467, "open_tree_attr"},    {468, "file_getattr"},
    {469, "file_setattr"},
};

std::string RuleName(const FilterRule& rule) {
  const std::string name = SyscallName(rule.nr);
  return name.empty() ? absl::StrCat("syscall ", rule.nr) : name;
}

std::string ActionText(const FilterRule& rule) {
  switch (rule.action) {
    case FilterAction::kAllow: return "allow";
    case FilterAction::kErrno: {
      const char* name = strerrorname_np(rule.error);
      return absl::StrCat("errno ", name != nullptr ? name : std::to_string(rule.error));
    }
    case FilterAction::kNotify: return "notify";
    case FilterAction::kKillProcess: return "kill";
    case FilterAction::kTrap: return "SIGSYS";
  }
  return "?";
}

// `rule` with at most one condition an argument: conditions on the same argument are joined.
// Refuses what can never hold: it would be a rule that silently does nothing.
absl::StatusOr<FilterRule> Normalize(const FilterRule& rule) {
  FilterRule result = rule;
  result.conditions.clear();
  std::map<unsigned, FilterCondition> by_argument;
  for (const FilterCondition& condition : rule.conditions) {
    if (condition.index > 5 || (condition.value & ~condition.mask) != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("filter rule for ", RuleName(rule), ": a condition that can never hold"));
    }
    if (condition.mask == 0) continue;
    FilterCondition& joined = by_argument.try_emplace(condition.index, condition).first->second;
    if (((joined.value ^ condition.value) & joined.mask & condition.mask) != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("filter rule for ", RuleName(rule), ": conditions that exclude each other"));
    }
    joined.mask |= condition.mask;
    joined.value |= condition.value;
  }
  for (const auto& [index, condition] : by_argument) result.conditions.push_back(condition);
  return result;
}

// The plan's rules by number, normalized, with the header's promise checked.
absl::StatusOr<std::map<int, std::vector<FilterRule>>> NormalizePlan(const FilterPlan& plan) {
  std::map<int, std::vector<FilterRule>> by_number;
  for (const FilterRule& rule : plan.rules) {
    if (rule.nr < 0 || rule.nr >= 0x40000000) {
      return absl::InvalidArgumentError(absl::StrCat("filter rule for number ", rule.nr));
    }
    absl::StatusOr<FilterRule> normalized = Normalize(rule);
    if (!normalized.ok()) return normalized.status();
    std::vector<FilterRule>& others = by_number[rule.nr];
    if (!others.empty() && others.back().conditions.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("filter rule for ", RuleName(rule), " stands behind one that always holds"));
    }
    others.push_back(*std::move(normalized));
  }
  return by_number;
}

// What happens to a call that no rule matches, said as a rule.
FilterRule Otherwise(const FilterPlan& plan) {
  return {-1, plan.otherwise, plan.otherwise == FilterAction::kErrno ? ENOSYS : 0, {}};
}

std::string ConditionsText(const FilterRule& rule) {
  std::string text;
  for (const FilterCondition& condition : rule.conditions) {
    absl::StrAppendFormat(&text, "%s(arg%u & 0x%x) == 0x%x", text.empty() ? " if " : " and ",
                          condition.index, condition.mask, condition.value);
  }
  return text;
}

// The lines of one syscall, in the order in which they are tried.
void AppendDecision(const std::vector<FilterRule>& rules, std::string* text) {
  for (const FilterRule& rule : rules) {
    const std::string when = rule.conditions.empty() ? " otherwise" : ConditionsText(rule);
    absl::StrAppend(text, RuleName(rule), ": ", ActionText(rule), when, "\n");
  }
}

// `words` behind `title`, wrapped at 100 columns.
void AppendWrapped(const std::string& title, const std::vector<std::string>& words,
                   std::string* text) {
  size_t column = title.size() + 1;
  absl::StrAppend(text, title, ":");
  for (const std::string& word : words) {
    if (column + 1 + word.size() > 100) {
      absl::StrAppend(text, "\n   ");
      column = 3;
    }
    absl::StrAppend(text, " ", word);
    column += 1 + word.size();
  }
  absl::StrAppend(text, "\n");
}

long Load(const std::vector<sock_filter>& program, unsigned long flags) {
  sock_fprog loaded = {static_cast<unsigned short>(program.size()),
                       const_cast<sock_filter*>(program.data())};
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &loaded);
}

}  // namespace

std::vector<FilterRule> RulesInOrder(int nr, const std::vector<FilterCase>& cases,
                                     FilterAction otherwise) {
  std::vector<FilterRule> rules;
  for (const FilterCase& one : cases) {
    rules.push_back({nr, one.action, one.error, one.conditions});
    const bool always = std::all_of(one.conditions.begin(), one.conditions.end(),
                                    [](const FilterCondition& c) { return c.mask == 0; });
    if (always) return rules;
  }
  rules.push_back({nr, otherwise, 0, {}});
  return rules;
}

int SyscallNumber(const std::string& name) {
  for (const NewerSyscall& newer : kNewerSyscalls) {
    if (name == newer.name) return newer.nr;
  }
  const int nr = seccomp_syscall_resolve_name(name.c_str());
  return nr >= 0 && nr <= kLastReviewedSyscall ? nr : -1;
}

std::string SyscallName(int nr) {
  if (nr < 0 || nr > kLastReviewedSyscall) return "";
  for (const NewerSyscall& newer : kNewerSyscalls) {
    if (nr == newer.nr) return newer.name;
  }
  const std::unique_ptr<char, decltype(&std::free)> name(
      seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr), &std::free);
  return name != nullptr ? name.get() : "";
}

bool IsSyscall(int nr) {
#if defined(__x86_64__)
  // Between the two lie the numbers that were left out when new calls got the same one everywhere.
  constexpr int kLastOfItsOwn = 334;
  constexpr int kFirstOfAll = 424;
  return nr >= 0 && nr <= kLastReviewedSyscall && (nr <= kLastOfItsOwn || nr >= kFirstOfAll);
#else
  return !SyscallName(nr).empty();
#endif
}

std::string FilterPseudoCode(const FilterPlan& plan) {
  std::map<int, std::vector<FilterRule>> by_number;
  for (const FilterRule& rule : plan.rules) by_number[rule.nr].push_back(rule);
  std::string text = "foreign architecture or x32 number: kill\n";
  std::map<std::string, std::vector<std::string>> unconditional;
  for (const auto& [nr, rules] : by_number) {
    if (rules.size() == 1 && rules.front().conditions.empty()) {
      unconditional[ActionText(rules.front())].push_back(RuleName(rules.front()));
    } else {
      AppendDecision(rules, &text);
    }
  }
  for (const auto& [action, names] : unconditional) AppendWrapped(action, names, &text);
  return absl::StrCat(text, "any other number: ", ActionText(Otherwise(plan)), "\n");
}

absl::StatusOr<std::vector<sock_filter>> CompileFilter(const FilterPlan& plan) {
  absl::StatusOr<std::map<int, std::vector<FilterRule>>> rules = NormalizePlan(plan);
  if (!rules.ok()) return rules.status();
  const FilterRule rest = Otherwise(plan);
  std::vector<sock_filter> program =
      NumberTree(*rules, seccomp_arch_native(), SeccompReturn(rest.action, rest.error));
  if (program.size() > BPF_MAXINSNS) {
    return absl::InternalError(
        absl::StrCat("a filter program of ", program.size(), " instructions"));
  }
  return program;
}

SysResult<OwnedFd> InstallFilterWithListener(const std::vector<sock_filter>& program) {
  const long fd =
      Load(program, SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
  if (fd < 0) return LastErrno();
  return OwnedFd(static_cast<int>(fd));
}

SysStatus InstallFilter(const std::vector<sock_filter>& program) {
  if (Load(program, 0) != 0) return LastErrno();
  return Done{};
}

}  // namespace sessionctl
