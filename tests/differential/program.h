// A program of file-system calls as plain values, and its text form, in which it is printed,
// replayed and handed to the executor. Everything is kept as the words of the text: the generator
// writes words, the executor alone gives them a meaning.
//
//   program 17
//   make dir "d1" 02775 0:54321
//   make file "a" 0644 - "content"
//   make link "l" "d1/../a"
//   make fifo "p" 0600 -
//   make socket "s" 0600 -
//   make xattr "d1" "system.posix_acl_default" "\x02\x00…"
//   A0 openat cwd "a" O_RDWR|O_CREAT 0644 -> f0
//   A0 spawn fork A1
//   A1 fchmod f0 0600
//
// "A1" is an actor: a process or a thread, made by `spawn`; A0 is there from the start. The steps
// are made one after the other, whoever makes them. "f0" is a slot: where a step puts the number of
// the descriptor it got. A string is quoted; inside, \n \t \\ \" and \xNN stand for bytes, {root}
// for the program's own directory, {mount} for the directory that holds those of all programs,
// {f0} for the number in a slot, {*255:n} for 255 times what follows the colon. Owners are uid:gid,
// or "-" for the user who runs the program. A line that begins with "#" is a remark.
#ifndef TESTS_DIFFERENTIAL_PROGRAM_H_
#define TESTS_DIFFERENTIAL_PROGRAM_H_

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace differential {

inline constexpr int kMaxActors = 6;
inline constexpr int kMaxSlots = 12;
inline constexpr size_t kMaxSteps = 40;

struct Make {
  std::vector<std::string> words;  // "dir", "\"d1\"", …
};

struct Step {
  int actor = 0;
  std::string op;
  std::vector<std::string> args;
  int slot = -1;  // of the result; -1: none
};

struct Program {
  std::string name;  // seed and index, or a file's name
  std::vector<Make> makes;
  std::vector<Step> steps;
};

std::string ToText(const Step& step);
std::string ToText(const Program& program);

// All programs of a text. On a mistake: nothing, and `error` says where.
std::optional<std::vector<Program>> FromText(std::string_view text, std::string* error);

// What a quoted word stands for.
struct Places {
  std::string root;
  std::string mount;
  std::array<int, kMaxSlots> slots = {};
};
std::string Expand(std::string_view quoted, const Places& places);

// The bytes as a quoted word.
std::string Quote(std::string_view bytes);

}  // namespace differential

#endif  // TESTS_DIFFERENTIAL_PROGRAM_H_
