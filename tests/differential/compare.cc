#include "tests/differential/compare.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <set>
#include <string_view>

#include "tests/differential/exceptions.h"

namespace differential {
namespace {

bool Same(const StepResult& a, const StepResult& b) {
  return a.state == b.state && a.value == b.value && a.signals == b.signals &&
         std::string_view(a.text, a.text_size) == std::string_view(b.text, b.text_size);
}

std::string ShortValue(const StepResult& result) {
  if (result.state != StepResult::kDone) return Describe(result);
  if (result.value >= 0) return "OK";
  const char* name = strerrorname_np(static_cast<int>(-result.value));
  return name != nullptr ? name : std::to_string(result.value);
}

Difference AtStep(const Program& program, size_t at, const StepResult& bare,
                  const StepResult& inside) {
  Difference difference;
  difference.found = true;
  difference.step = at;
  const Step& step = program.steps[at];
  difference.signature = step.op + " bare " + ShortValue(bare) + ", inside " + ShortValue(inside);
  difference.text = "  step " + std::to_string(at) + ": " + ToText(step) +
                    "\n    bare:   " + Describe(bare) + "\n    inside: " + Describe(inside) + "\n";
  return difference;
}

// The words of two descriptions that are not the same, for the signature.
std::string ChangedWords(const std::string& bare, const std::string& inside) {
  const auto split = [](const std::string& text) {
    std::set<std::string> words;
    for (size_t at = 0; at < text.size();) {
      size_t end = text.find(' ', at);
      if (end == std::string::npos) end = text.size();
      words.insert(text.substr(at, end - at));
      at = end + 1;
    }
    return words;
  };
  const std::set<std::string> others = split(inside);
  std::string names;
  for (const std::string& word : split(bare)) {
    if (others.count(word) == 0) names += " " + word.substr(0, word.find('='));
  }
  return names;
}

// See kLinkFollowedBeforeFull.
bool OnlyLinkFollowed(const std::string& was, const std::string& is, const Run& inside) {
  const auto full = [](const StepResult& step) { return step.value == -EMFILE; };
  const auto& steps = inside.result.steps;
  if (!was.starts_with("mode=12") || std::none_of(std::begin(steps), std::end(steps), full)) {
    return false;
  }
  return ChangedWords(was, is) == " atime" && is.find(" atime=now ") != std::string::npos;
}

// See kSecondPathNotWalked.
bool OnlyFollowedBare(const std::string& was, const std::string& is) {
  return was.starts_with("mode=12") && ChangedWords(was, is) == " atime" &&
         was.find(" atime=now ") != std::string::npos;
}

// See kWhiteoutTaken.
bool OnlyWrittenBare(const std::string& was, const std::string& is) {
  return was.starts_with("mode=4") && ChangedWords(was, is) == " mtime" &&
         was.find(" mtime=now ") != std::string::npos;
}

// What the steps of a program make legitimate in the tree.
struct Excuses {
  bool skipped_path = false;
  bool whiteout = false;
};

Difference InTree(const Snapshot& bare, const Run& inside_run, Excuses excuses,
                  ExceptionCounts* exceptions) {
  const Snapshot& inside = inside_run.tree;
  Difference difference;
  std::set<std::string> paths;
  for (const auto& [path, what] : bare) paths.insert(path);
  for (const auto& [path, what] : inside) paths.insert(path);
  for (const std::string& path : paths) {
    const auto a = bare.find(path);
    const auto b = inside.find(path);
    const std::string was = a == bare.end() ? "nothing" : a->second;
    const std::string is = b == inside.end() ? "nothing" : b->second;
    if (was == is) continue;
    if (OnlyLinkFollowed(was, is, inside_run)) {
      ++(*exceptions)[kLinkFollowedBeforeFull];
      continue;
    }
    if (excuses.skipped_path && OnlyFollowedBare(was, is)) {
      ++(*exceptions)[kSecondPathNotWalked];
      continue;
    }
    if (excuses.whiteout && OnlyWrittenBare(was, is)) {
      ++(*exceptions)[kWhiteoutTaken];
      continue;
    }
    if (!difference.found) difference.signature = "tree" + ChangedWords(was, is);
    difference.found = true;
    difference.step = kMaxSteps;
    difference.text +=
        "  tree: " + path.substr(0, 200) + "\n    bare:   " + was + "\n    inside: " + is + "\n";
  }
  return difference;
}

}  // namespace

std::string Describe(const StepResult& result) {
  switch (result.state) {
    case StepResult::kNotRun: return "not made";
    case StepResult::kNoActor: return "nobody there";
    case StepResult::kDied: return "the actor died";
    case StepResult::kOutside: return "led out of the mount";
    case StepResult::kDone: break;
  }
  std::string text = ShortValue(result);
  if (result.value >= 0) text = std::to_string(result.value);
  if (result.signals != 0) text += " SIGXFSZ";
  if (result.text_size != 0) text += " " + std::string(result.text, result.text_size);
  return text;
}

Difference Compare(const Program& program, const Run& bare, const Run& inside,
                   ExceptionCounts* exceptions) {
  Excuses excuses;
  for (size_t i = 0; i < program.steps.size(); ++i) {
    const StepResult& a = bare.result.steps[i];
    const StepResult& b = inside.result.steps[i];
    if (Same(a, b)) continue;
    const Case difference = {program, i, a, b, inside.private_view, inside.native_reads};
    const Exception* exception = FindException(difference);
    if (exception == nullptr) return AtStep(program, i, a, b);
    ++(*exceptions)[exception->id];
    excuses.skipped_path = excuses.skipped_path || SkipsSecondPath(difference);
    excuses.whiteout = excuses.whiteout || MayTakeBackWhiteout(difference);
    if (Diverges(difference)) return Difference();
  }
  if (bare.result.finished != inside.result.finished || bare.result.finished != 1) {
    Difference difference;
    difference.found = true;
    difference.step = inside.result.step;
    difference.signature = "never came back";
    difference.text = "  made to the end: bare " + std::to_string(bare.result.finished) +
                      ", inside " + std::to_string(inside.result.finished) + "\n";
    return difference;
  }
  return InTree(bare.tree, inside, excuses, exceptions);
}

}  // namespace differential
