#include "sandbox/bpf_decisions.h"

#include <linux/seccomp.h>

#include <cstddef>
#include <utility>

namespace sessionctl {
namespace {

using Program = std::vector<sock_filter>;

sock_filter Load(size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset));
}
sock_filter Return(uint32_t value) { return BPF_STMT(BPF_RET | BPF_K, value); }
// Over `count` instructions.
sock_filter JumpOver(size_t count) {
  return BPF_STMT(BPF_JMP | BPF_JA, static_cast<uint32_t>(count));
}
// Goes on with the next instruction when the loaded word is `value`, else over `count` more.
sock_filter UnlessEqualSkip(uint32_t value, size_t count) {
  return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, static_cast<uint8_t>(count));
}

// Half of an argument: BPF knows 32 bits only.
struct Word {
  size_t offset;
  uint32_t mask;
  bool operator==(const Word& other) const { return offset == other.offset && mask == other.mask; }
};

// What a rule wants of one word.
struct Wanted {
  Word word;
  uint32_t value;
};

std::vector<Wanted> WordsOf(const FilterRule& rule) {
  // Both architectures are little-endian.
  std::vector<Wanted> words;
  for (const FilterCondition& condition : rule.conditions) {
    const size_t low = offsetof(seccomp_data, args) + condition.index * sizeof(uint64_t);
    for (const unsigned shift : {0U, 32U}) {
      const auto mask = static_cast<uint32_t>(condition.mask >> shift);
      if (mask == 0) continue;
      words.push_back({{low + shift / 8, mask}, static_cast<uint32_t>(condition.value >> shift)});
    }
  }
  return words;
}

class Block {
 public:
  explicit Block(uint32_t otherwise) : otherwise_(otherwise) {}

  void Add(const FilterRule& rule) {
    const std::vector<Wanted> words = WordsOf(rule);
    Program tests;
    for (const Wanted& wanted : words) {
      const bool is_loaded = tests.empty() && has_loaded_ && loaded_ == wanted.word;
      if (!is_loaded) tests.push_back(Load(wanted.word.offset));
      if (!is_loaded && wanted.word.mask != ~0U) {
        tests.push_back(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, wanted.word.mask));
      }
      tests.push_back(UnlessEqualSkip(wanted.value, 0));  // patched below
    }
    const size_t end = tests.size() + 1;  // behind the return
    for (size_t at = 0; at < tests.size(); ++at) {
      if (tests[at].code == (BPF_JMP | BPF_JEQ | BPF_K)) {
        tests[at].jf = static_cast<uint8_t>(end - at - 1);
      }
    }
    program_.insert(program_.end(), tests.begin(), tests.end());
    program_.push_back(Return(SeccompReturn(rule.action, rule.error)));
    // Where the next rule begins, the word of a single test is loaded still.
    has_loaded_ = words.size() == 1;
    if (has_loaded_) loaded_ = words.front().word;
  }

  Program Finish() && {
    program_.push_back(Return(otherwise_));
    return std::move(program_);
  }

 private:
  const uint32_t otherwise_;
  Program program_;
  bool has_loaded_ = false;
  Word loaded_ = {0, 0};
};

}  // namespace

uint32_t SeccompReturn(FilterAction action, int error) {
  switch (action) {
    case FilterAction::kAllow: return SECCOMP_RET_ALLOW;
    case FilterAction::kErrno: return SECCOMP_RET_ERRNO | static_cast<uint32_t>(error);
    case FilterAction::kNotify: return SECCOMP_RET_USER_NOTIF;
    case FilterAction::kKillProcess: return SECCOMP_RET_KILL_PROCESS;
    case FilterAction::kTrap: return SECCOMP_RET_TRAP;
  }
  return SECCOMP_RET_KILL_PROCESS;
}

std::vector<sock_filter> DecisionsBefore(const std::map<int, std::vector<FilterRule>>& rules,
                                         uint32_t audit_arch, uint32_t otherwise,
                                         const std::vector<sock_filter>& rest) {
  Program decisions;
  for (const auto& [nr, of_call] : rules) {
    Block block(otherwise);
    for (const FilterRule& rule : of_call) block.Add(rule);
    const Program code = std::move(block).Finish();
    // Which number it is stays loaded until a block is entered, and a block does not come back.
    decisions.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(nr), 1, 0));
    decisions.push_back(JumpOver(code.size()));
    decisions.insert(decisions.end(), code.begin(), code.end());
  }
  Program program = {Load(offsetof(seccomp_data, arch)), UnlessEqualSkip(audit_arch, 1)};
  // The numbers of another architecture mean nothing here: that is for `rest` to say.
  program.push_back(JumpOver(1));
  program.push_back(JumpOver(decisions.size() + 1));
  program.push_back(Load(offsetof(seccomp_data, nr)));
  program.insert(program.end(), decisions.begin(), decisions.end());
  program.insert(program.end(), rest.begin(), rest.end());
  return program;
}

}  // namespace sessionctl
