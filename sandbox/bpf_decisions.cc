#include "sandbox/bpf_decisions.h"

#include <linux/audit.h>
#include <linux/seccomp.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <set>
#include <span>
#include <utility>

namespace sessionctl {
namespace {

using Program = std::vector<sock_filter>;

// __X32_SYSCALL_BIT. The numbers from it on are x32's or nobody's; -1 is what a tracer sets for
// "no call".
constexpr uint32_t kFirstX32Number = 0x40000000;

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

// What becomes of the numbers from `first` on, up to where the next leaf begins.
struct Leaf {
  uint32_t first;
  Program code;
};

bool SameCode(const Program& a, const Program& b) {
  return a.size() == b.size() && memcmp(a.data(), b.data(), a.size() * sizeof(a[0])) == 0;
}

void AddLeaf(uint32_t first, Program code, std::vector<Leaf>* leaves) {
  if (!leaves->empty() && leaves->back().first == first) leaves->pop_back();
  if (!leaves->empty() && SameCode(leaves->back().code, code)) return;
  leaves->push_back({first, std::move(code)});
}

Program CodeOf(const std::vector<FilterRule>& rules, uint32_t otherwise) {
  const FilterRule& first = rules.front();
  if (first.conditions.empty()) return {Return(SeccompReturn(first.action, first.error))};
  Block block(otherwise);
  for (const FilterRule& rule : rules) block.Add(rule);
  return std::move(block).Finish();
}

// All numbers there are, in order.
std::vector<Leaf> LeavesOf(const std::map<int, std::vector<FilterRule>>& rules, uint32_t audit_arch,
                           uint32_t otherwise) {
  std::vector<Leaf> leaves = {{0, {Return(otherwise)}}};
  for (const auto& [nr, of_call] : rules) {
    AddLeaf(static_cast<uint32_t>(nr), CodeOf(of_call, otherwise), &leaves);
    AddLeaf(static_cast<uint32_t>(nr) + 1, {Return(otherwise)}, &leaves);
  }
  if (audit_arch == AUDIT_ARCH_X86_64) {
    AddLeaf(kFirstX32Number, {Return(SECCOMP_RET_KILL_PROCESS)}, &leaves);
    AddLeaf(~0U, {Return(otherwise)}, &leaves);
  }
  return leaves;
}

// Code whose returns are still to come: branches that leave it for `RET value`.
struct Fragment {
  struct Exit {
    size_t at;   // the instruction
    bool taken;  // which of its branches
    uint32_t value;
  };
  Program code;
  std::vector<Exit> exits;
};

// Appends one return for each value that `fragment` leaves for.
void Close(Fragment* fragment) {
  std::map<uint32_t, size_t> returns;
  for (const Fragment::Exit& exit : fragment->exits) {
    const auto [known, is_new] = returns.try_emplace(exit.value, fragment->code.size());
    if (is_new) fragment->code.push_back(Return(exit.value));
    const auto distance = static_cast<uint8_t>(known->second - exit.at - 1);
    sock_filter& branch = fragment->code[exit.at];
    (exit.taken ? branch.jt : branch.jf) = distance;
  }
  fragment->exits.clear();
}

// Behind the first instruction of `to`, its branch: to a return, or to code that is appended.
void Append(const Fragment& part, bool taken, Fragment* to) {
  if (part.code.size() == 1 && part.code.front().code == (BPF_RET | BPF_K)) {
    to->exits.push_back({0, taken, part.code.front().k});
    return;
  }
  const size_t begin = to->code.size();
  (taken ? to->code.front().jt : to->code.front().jf) = static_cast<uint8_t>(begin - 1);
  for (const Fragment::Exit& exit : part.exits) {
    to->exits.push_back({exit.at + begin, exit.taken, exit.value});
  }
  to->code.insert(to->code.end(), part.code.begin(), part.code.end());
}

// Does every branch reach its end, returns included, when these are behind one instruction? One of
// classic BPF reaches 255 instructions.
bool FitBehindOne(const Fragment& below, const Fragment& above) {
  std::set<uint32_t> returns;
  for (const Fragment* part : {&below, &above}) {
    for (const Fragment::Exit& exit : part->exits) returns.insert(exit.value);
    if (part->code.size() == 1) returns.insert(part->code.front().k);
  }
  return 1 + below.code.size() + above.code.size() + returns.size() <= UINT8_MAX;
}

// A binary search for the leaf of the loaded number.
Fragment Tree(std::span<const Leaf> leaves) {
  if (leaves.size() == 1) return {leaves.front().code, {}};
  const size_t middle = leaves.size() / 2;
  const uint32_t split = leaves[middle].first;
  Fragment below = Tree(leaves.first(middle));
  Fragment above = Tree(leaves.subspan(middle));
  Fragment tree = {{BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, split, 0, 0)}, {}};
  if (FitBehindOne(below, above)) {
    Append(below, /*taken=*/false, &tree);
    Append(above, /*taken=*/true, &tree);
    return tree;
  }
  Close(&below);
  Close(&above);
  tree.code.front().jf = 1;  // `above` is too far for the branch
  tree.code.push_back(JumpOver(below.code.size()));
  tree.code.insert(tree.code.end(), below.code.begin(), below.code.end());
  tree.code.insert(tree.code.end(), above.code.begin(), above.code.end());
  return tree;
}

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

std::vector<sock_filter> NumberTree(const std::map<int, std::vector<FilterRule>>& rules,
                                    uint32_t audit_arch, uint32_t otherwise) {
  Program program = {Load(offsetof(seccomp_data, arch)),
                     BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, audit_arch, 1, 0),
                     Return(SECCOMP_RET_KILL_PROCESS), Load(offsetof(seccomp_data, nr))};
  Fragment tree = Tree(LeavesOf(rules, audit_arch, otherwise));
  Close(&tree);
  program.insert(program.end(), tree.code.begin(), tree.code.end());
  return program;
}

}  // namespace sessionctl
