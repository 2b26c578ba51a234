#include "tests/differential/generator.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/differential/batch.h"
#include "tests/differential/dice.h"
#include "tests/differential/model.h"
#include "tests/differential/ops.h"
#include "tests/differential/sensible.h"
#include "tests/differential/stories.h"
#include "tests/differential/words.h"

namespace differential {
namespace {

const Op& PickOp(Dice* dice) {
  static const int total = [] {
    int sum = 0;
    for (const Op& op : Ops()) sum += op.weight;
    return sum;
  }();
  auto at = static_cast<int>(dice->Below(static_cast<uint64_t>(total)));
  for (const Op& op : Ops()) {
    if (at < op.weight) return op;
    at -= op.weight;
  }
  return Ops().front();
}

class Generator {
 public:
  Generator(uint64_t seed, uint64_t index)
      : dice_(seed * 0x9e3779b97f4a7c15U + index),
        words_(&dice_),
        model_(&dice_),
        sensible_(&dice_, &words_, &model_) {
    program_.name = std::to_string(seed) + "/" + std::to_string(index);
  }

  Program Run() {
    if (dice_.Percent(15)) words_.AllowFifos();
    MakeScene();
    const size_t count = 12 + dice_.Below(kMaxSteps - 14);
    while (program_.steps.size() < count) AddStep();
    return std::move(program_);
  }

 private:
  static std::string Quoted(const std::string& path) { return "\"" + path + "\""; }

  void Make(std::vector<std::string> words) { program_.makes.push_back(Make_{std::move(words)}); }
  using Make_ = differential::Make;

  std::string Owner() {
    if (dice_.Percent(75)) return "-";
    const std::string stranger = std::to_string(kStranger);
    const std::string group = std::to_string(kSecondGroup);
    if (dice_.Percent(50)) return stranger + ":" + group;
    return stranger + ":" + stranger;
  }

  // A path that no other `make` has.
  std::string Fresh(const std::string& name) {
    std::string path = name;
    if (!made_directories_.empty() && dice_.Percent(50)) {
      path = dice_.Of(made_directories_) + "/" + name;
    }
    if (!IsFree(path)) return "";
    taken_.push_back(path);
    return path;
  }

  bool IsFree(const std::string& path) const {
    return std::find(taken_.begin(), taken_.end(), path) == taken_.end();
  }

  static bool IsUsable(const std::string& mode, unsigned long needed) {
    return (strtoul(mode.c_str(), nullptr, 8) & needed) == needed;
  }

  void MakeScene() {
    static const char* const kDirectories[] = {"d", "sub", "e", "x"};
    for (const char* name : kDirectories) {
      if (dice_.Percent(30)) continue;
      const std::string path = Fresh(name);
      if (path.empty()) continue;
      const std::string mode = dice_.Percent(60)
                                   ? dice_.Of({"0755", "0700", "0777", "02775"})
                                   : dice_.Of({"0700", "0777", "01777", "02775", "03777", "02777",
                                               "0555", "0000", "0300", "0600", "01770", "0770"});
      const std::string owner = Owner();
      Make({"dir", Quoted(path), mode, owner});
      model_.Add(path, Kind::kDirectory, owner == "-" && IsUsable(mode, 0700));
      if (dice_.Percent(15)) {
        Make({"xattr", Quoted(path), "\"system.posix_acl_default\"", words_.AclValue()});
      }
      made_directories_.push_back(path);
      words_.AddDirectory(path);
    }
    if (dice_.Percent(6)) MakeDeepTree();
    for (uint64_t left = 2 + dice_.Below(4); left > 0; --left) MakeFile();
    for (uint64_t left = dice_.Below(4); left > 0; --left) MakeLink();
  }

  // Nearly as deep as a path can tell.
  void MakeDeepTree() {
    std::string path;
    for (uint64_t levels = 8 + dice_.Below(7); levels > 0; --levels) {
      path = Model::Join(path, dice_.Percent(80) ? "{*255:n}" : words_.Name());
      if (path.find("{*256") != std::string::npos || !IsFree(path)) return;
      taken_.push_back(path);
      Make({"dir", Quoted(path), "0755", "-"});
      model_.Add(path, Kind::kDirectory, true);
    }
    made_directories_.push_back(path);
    words_.AddDirectory(path);
  }

  void MakeFile() {
    const std::string path = Fresh(words_.Name());
    if (path.empty() || path.find("{*256") != std::string::npos) return;
    std::string kind = "file";
    if (words_.fifos() && dice_.Percent(50)) kind = "fifo";
    if (dice_.Percent(3)) kind = "socket";
    std::string mode = dice_.Percent(50)
                           ? "0644"
                           : dice_.Of({"0600", "0666", "04755", "02755", "06777", "0444", "0000",
                                       "0200", "0660", "02644", "0777"});
    const std::string owner = Owner();
    std::vector<std::string> words = {kind, Quoted(path), mode, owner};
    model_.Add(path, kind == "file" ? Kind::kFile : Kind::kOther,
               owner == "-" && IsUsable(mode, 0600));
    if (kind == "file") words.push_back(dice_.Of({"\"content\\n\"", "\"\"", "\"{*5000:c}\""}));
    Make(words);
    if (kind == "file" && dice_.Percent(45)) {
      Make({"xattr", Quoted(path), "\"user.present\"", "\"here\""});
    }
    if (kind == "file" && dice_.Percent(8)) {
      Make({"xattr", Quoted(path), "\"system.posix_acl_access\"", words_.AclValue()});
    }
    words_.AddFile(path);
    if (!dice_.Percent(10)) return;
    const std::string second = Fresh(dice_.Of({"a", "b", "x"}));
    if (second.empty()) return;
    Make({"name", Quoted(second), Quoted(path)});
    words_.AddFile(second);
    model_.Add(second, Kind::kFile, true);
  }

  void MakeLink() {
    const std::string path = Fresh(dice_.Of({"l", "m", "a", "x", "sub"}));
    std::string text = words_.LinkText();
    if (path.empty() || text.size() < 3 || text[0] != '"' || text.find("{*4") < text.size() ||
        text.find("{*5") < text.size() || text.find("{*20") < text.size()) {
      return;
    }
    Make({"link", Quoted(path), text});
    model_.Add(path, Kind::kLink, true);
    (dice_.Percent(50) ? words_.AddFile(path) : words_.AddDirectory(path));
  }

  void AddStep() {
    if (dice_.Percent(5) && actors_ < kMaxActors) return AddSpawn();
    if (dice_.Percent(4)) return AddStory();
    const Op& op = PickOp(&dice_);
    if (words_.fifos() && std::string(op.name) == "creat") return;  // it would wait for a reader
    Step step;
    step.actor =
        static_cast<int>(dice_.Percent(60) ? 0 : dice_.Below(static_cast<uint64_t>(actors_)));
    step.op = op.name;
    if (step.op == "exit" && step.actor == 0) return;
    if (op.returns_fd) step.slot = next_slot_;
    if (step.op == "limit") {
      step.args =
          dice_.Percent(40)
              ? std::vector<std::string>{"nofile",
                                         dice_.Of({"3", "5", "8", "1024", "1024", "1024"})}
              : std::vector<std::string>{"fsize", dice_.Of({"0", "10", "4096", "-1", "-1", "-1"})};
    } else if (step.op != "fcntl" && dice_.Percent(72)) {
      if (!sensible_.Fill(op, &step)) return;  // nothing fits now
    } else if (step.op == "fcntl") {
      step.args = Fcntl();
    } else {
      step.args.clear();
      for (const char* letter = op.args; *letter != '\0'; ++letter) {
        for (std::string& word : words_.For(*letter, op)) step.args.push_back(std::move(word));
      }
    }
    if (!Acceptable(&step)) return;
    if (op.returns_fd) NewSlot();
    Remember(op, step);
    program_.steps.push_back(std::move(step));
  }

  int NewSlot() {
    const int slot = next_slot_;
    words_.AddSlot(slot);
    next_slot_ = (next_slot_ + 1) % kMaxSlots;
    return slot;
  }

  void AddStory() {
    const int actor =
        static_cast<int>(dice_.Percent(60) ? 0 : dice_.Below(static_cast<uint64_t>(actors_)));
    const Storyteller teller = {dice_, words_, model_, sensible_, [this] { return NewSlot(); }};
    for (Step& step : TellStory(teller, actor)) {
      if (program_.steps.size() == kMaxSteps) return;
      Remember(*FindOp(step.op), step);
      program_.steps.push_back(std::move(step));
    }
  }

  std::vector<std::string> Fcntl() {
    const Op& op = *FindOp("fcntl");
    std::vector<std::string> args = words_.For('f', op);
    args.push_back(dice_.Of({"F_GETFL", "F_SETFL", "F_GETFD", "F_SETFD", "F_DUPFD_CLOEXEC"}));
    args.push_back(args[1] == "F_SETFL"
                       ? dice_.Of({"O_APPEND", "O_NONBLOCK", "O_APPEND|O_NONBLOCK"})
                   : args[1] == "F_SETFD" ? dice_.Of({"0", "1"})
                                          : "0");
    if (words_.fifos() && args[1] == "F_SETFL") args[2] = "O_NONBLOCK";
    return args;
  }

  // The kinds of nodes that mknod makes: mostly files, FIFOs only where nobody waits at one.
  bool Acceptable(Step* step) {
    // The bare run's mount is one of its own, which a path from "/" has to enter.
    if (step->op == "openat2" &&
        (step->args[1].starts_with("\"{") || step->args[1].starts_with("\"/")) &&
        step->args[4] == "RESOLVE_NO_XDEV") {
      step->args[4] = "0";
    }
    if (step->op != "mknod" && step->op != "mknodat") return true;
    std::string& mode = step->args[step->op == "mknod" ? 1 : 2];
    mode = dice_.Of({"S_IFREG", "S_IFREG", "0", "S_IFSOCK", "S_IFIFO", "S_IFCHR", "S_IFBLK",
                     "S_IFDIR", "S_IFLNK"}) +
           "|" + mode;
    return words_.fifos() || mode.find("S_IFIFO") == std::string::npos;
  }

  // The name that a step makes may be used by later ones.
  void Remember(const Op& op, const Step& step) {
    sensible_.Follow(op, step);
    std::string last;
    const std::string letters = op.args;
    size_t word = 0;
    for (const char letter : letters) {
      if (letter == 'p' && word < step.args.size()) last = step.args[word];
      word += WordsOf(letter);
    }
    if (last.size() < 3 || last[0] != '"' || last.size() > 60) return;
    last = last.substr(1, last.size() - 2);
    const std::string name = op.name;
    if (name.starts_with("mkdir")) {
      words_.AddDirectory(last);
    } else if (name == "creat" || name.starts_with("rename") || name.starts_with("link") ||
               name.starts_with("symlink") || name.starts_with("mknod") ||
               (op.returns_fd && dice_.Percent(40))) {
      words_.AddFile(last);
    }
  }

  void AddSpawn() {
    Step step;
    step.actor = static_cast<int>(dice_.Below(static_cast<uint64_t>(actors_)));
    step.op = "spawn";
    step.args = {dice_.Of({"fork", "fork", "thread", "thread", "sharing-files", "sharing-fs"}),
                 "A" + std::to_string(actors_)};
    model_.Spawn(step.actor, actors_, step.args[0] == "thread" || step.args[0] == "sharing-files",
                 step.args[0] == "thread" || step.args[0] == "sharing-fs");
    ++actors_;
    program_.steps.push_back(std::move(step));
  }

  Dice dice_;
  WordMaker words_;
  Model model_;
  Sensible sensible_;
  Program program_;
  std::vector<std::string> made_directories_;
  std::vector<std::string> taken_;
  int actors_ = 1;
  int next_slot_ = 0;
};

}  // namespace

Program Generate(uint64_t seed, uint64_t index) { return Generator(seed, index).Run(); }

}  // namespace differential
