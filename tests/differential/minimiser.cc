#include "tests/differential/minimiser.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

namespace differential {
namespace {

size_t Lines(const Program& program) { return program.makes.size() + program.steps.size(); }

using LineSet = std::set<size_t>;

// Without these lines, the scene's lines counted first.
Program Without(const Program& program, const LineSet& lines) {
  Program shorter;
  shorter.name = program.name;
  for (size_t i = 0; i < Lines(program); ++i) {
    if (lines.count(i) != 0) continue;
    if (i < program.makes.size()) {
      shorter.makes.push_back(program.makes[i]);
    } else {
      shorter.steps.push_back(program.steps[i - program.makes.size()]);
    }
  }
  return shorter;
}

// A line of the scene may need another one.
bool Buildable(const Program& program) {
  std::vector<std::string> directories;
  for (const Make& make : program.makes) {
    std::string path = make.words[1];
    const size_t slash = path.rfind('/');
    if (make.words[0] == "dir") directories.push_back(path);
    const auto made = [&](const std::string& name) {
      return std::any_of(program.makes.begin(), program.makes.end(), [&](const Make& other) {
        return &other < &make && other.words[1] == name && other.words[0] != "xattr";
      });
    };
    if (slash != std::string::npos && !made(path.substr(0, slash) + "\"")) return false;
    if (make.words[0] == "xattr" && !made(path)) return false;
    if (make.words[0] == "name" && !made(make.words[2])) return false;
  }
  return true;
}

// A program and what is left of its difference.
struct Candidate {
  Program program;
  Difference difference;
};

// Nothing behind the difference matters to it.
void CutBehindDifference(Candidate* candidate) {
  std::vector<Step>& steps = candidate->program.steps;
  if (candidate->difference.step < steps.size()) steps.resize(candidate->difference.step + 1);
}

// Which of these sets of lines can each be left out? Tries them all at once.
std::vector<std::pair<LineSet, Candidate>> Removable(Batch* batch, const Program& program, Way way,
                                                     const std::vector<LineSet>& sets) {
  std::vector<std::pair<LineSet, Candidate>> candidates;
  std::vector<Program> programs;
  for (const LineSet& set : sets) {
    Program shorter = Without(program, set);
    if (!Buildable(shorter)) continue;
    programs.push_back(shorter);
    candidates.push_back({set, {std::move(shorter), {}}});
  }
  std::vector<std::pair<LineSet, Candidate>> differing;
  std::vector<Run> bare;
  std::vector<Run> inside;
  if (programs.empty() || !batch->RunAll(programs, Way::kBare, &bare) ||
      !batch->RunAll(programs, way, &inside)) {
    return differing;
  }
  for (size_t i = 0; i < programs.size(); ++i) {
    ExceptionCounts counts;
    candidates[i].second.difference = Compare(programs[i], bare[i], inside[i], &counts);
    if (!candidates[i].second.difference.found) continue;
    CutBehindDifference(&candidates[i].second);
    differing.push_back(std::move(candidates[i]));
  }
  return differing;
}

std::vector<LineSet> Pieces(size_t lines, size_t size) {
  std::vector<LineSet> pieces;
  for (size_t begin = 0; begin < lines; begin += size) {
    LineSet& piece = pieces.emplace_back();
    for (size_t i = begin; i < std::min(begin + size, lines); ++i) piece.insert(i);
  }
  return pieces;
}

// All of them together, or half of them, if that works; else the first.
Candidate BestOf(Batch* batch, const Program& program, Way way,
                 std::vector<std::pair<LineSet, Candidate>> removable) {
  if (removable.size() > 1) {
    std::vector<LineSet> unions(3);
    for (size_t i = 0; i < removable.size(); ++i) {
      const LineSet& set = removable[i].first;
      unions[0].insert(set.begin(), set.end());
      unions[i < removable.size() / 2 ? 1 : 2].insert(set.begin(), set.end());
    }
    auto together = Removable(batch, program, way, unions);
    if (!together.empty()) return std::move(together.front().second);
  }
  return std::move(removable.front().second);
}

}  // namespace

Program Minimise(Batch* batch, const Program& program, Way way, Difference* difference) {
  Candidate best = {program, *difference};
  CutBehindDifference(&best);
  for (size_t size = std::max<size_t>(Lines(best.program) / 2, 1);;) {
    auto removable = Removable(batch, best.program, way, Pieces(Lines(best.program), size));
    if (!removable.empty()) {
      best = BestOf(batch, best.program, way, std::move(removable));
      size = std::min(size, std::max<size_t>(Lines(best.program) / 2, 1));
    } else if (size == 1) {
      *difference = best.difference;
      return best.program;
    } else {
      size = (size + 1) / 2;
    }
  }
}

}  // namespace differential
