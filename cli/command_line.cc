#include "cli/command_line.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "cli/command.h"

namespace sessionctl {
namespace {

constexpr char kDescription[] =
    "sessionctl runs any program as a session whose path calls cannot be raced: they are\n"
    "carried out beneath the directories you grant, and a kernel sandbox holds the rest.";
constexpr char kExamples[] =
    "Examples:\n"
    "  sessionctl run --mount /tmp/shared -- python3 job.py\n"
    "  sessionctl spawn --mount /tmp/shared --cmd python3 --count 10 -- job.py\n"
    "  sessionctl ps\n"
    "  sessionctl doctor\n";

bool TakesValue(const CLI::App& app, const std::string& option) {
  const CLI::Option* found = app.get_option_no_throw(option);
  return found != nullptr && found->get_items_expected_max() > 0;
}

// Does the option word `word` take the next word as its value?
bool TakesNextWord(const CLI::App& app, const std::string& word) {
  if (word.compare(0, 2, "--") == 0) {
    return word.find('=') == std::string::npos && TakesValue(app, word);
  }
  for (size_t i = 1; i < word.size(); ++i) {
    if (TakesValue(app, std::string("-") + word[i])) return i + 1 == word.size();
  }
  return false;
}

// Where the program begins: after `--`, or at the first word that is neither an option nor an
// option's value.
struct Split {
  std::vector<std::string> options;
  std::vector<std::string> program;
};

Split SplitAtProgram(const CLI::App& app, const std::vector<std::string>& words) {
  size_t at = 0;
  while (at < words.size()) {
    const std::string& word = words[at];
    if (word == "--" || word.size() < 2 || word[0] != '-') break;
    at += TakesNextWord(app, word) ? 2 : 1;
  }
  const size_t end = std::min(at, words.size());
  const size_t begin = end < words.size() && words[end] == "--" ? end + 1 : end;
  return {{words.begin(), words.begin() + static_cast<ptrdiff_t>(end)},
          {words.begin() + static_cast<ptrdiff_t>(begin), words.end()}};
}

struct Verb {
  const char* name;
  Command (*add)(CLI::App& root);
};
constexpr std::array<Verb, 23> kVerbs = {{
    {"run", AddRunCommand},         {"spawn", AddSpawnCommand},   {"ps", AddPsCommand},
    {"inspect", AddInspectCommand}, {"logs", AddLogsCommand},     {"wait", AddWaitCommand},
    {"stop", AddStopCommand},       {"kill", AddKillCommand},     {"prune", AddPruneCommand},
    {"diff", AddDiffCommand},       {"commit", AddCommitCommand}, {"discard", AddDiscardCommand},
    {"restart", AddRestartCommand}, {"events", AddEventsCommand}, {"attach", AddAttachCommand},
    {"exec", AddExecCommand},       {"serve", AddServeCommand},   {"zygote", AddZygoteCommand},
    {"up", AddUpCommand},           {"down", AddDownCommand},     {"scale", AddScaleCommand},
    {"top", AddTopCommand},         {"doctor", AddDoctorCommand},
}};

// Only the one that `words` begin with, where they do: to declare all options of all commands takes
// as long as to start a small program.
std::vector<Command> AddCommands(CLI::App& root, const std::vector<std::string>& words) {
  for (const Verb& verb : kVerbs) {
    if (!words.empty() && words[0] == verb.name) return {verb.add(root)};
  }
  std::vector<Command> commands;
  for (const Verb& verb : kVerbs) commands.push_back(verb.add(root));
  for (Command& command : AddMountCommands(root)) commands.push_back(std::move(command));
  for (Command& command : AddPolicyCommands(root)) commands.push_back(std::move(command));
  return commands;
}

// Takes the program's words out of `words`, so that CLI11 never sees them.
void TakeProgram(const std::vector<Command>& commands, std::vector<std::string>& words) {
  if (words.empty()) return;
  for (const Command& command : commands) {
    if (command.program == nullptr || command.app->get_name() != words[0]) continue;
    Split split = SplitAtProgram(*command.app, {words.begin() + 1, words.end()});
    *command.program = std::move(split.program);
    words.resize(1);
    words.insert(words.end(), split.options.begin(), split.options.end());
    return;
  }
}

int UsageError(const std::vector<std::string>& words, const std::string& message) {
  const bool named = !words.empty() && !words[0].empty() && words[0][0] != '-';
  std::cerr << "sessionctl: " << message << "\nTry 'sessionctl "
            << (named ? words[0] + " " : std::string()) << "--help'.\n";
  return kExitUsage;
}

int ParseAndRun(CLI::App& root, const std::vector<Command>& commands,
                std::vector<std::string> words) {
  TakeProgram(commands, words);
  try {
    root.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::Success& request) {  // --help, --version
    return root.exit(request);
  } catch (const CLI::ParseError& error) {
    return UsageError(words, error.what());
  }
  for (const Command& command : commands) {
    if (command.app->parsed()) return command.action();
  }
  std::cerr << root.help();
  return kExitUsage;
}

}  // namespace

int Fail(int exit_code, const std::string& message) {
  std::cerr << "sessionctl: " << message << "\n";
  return exit_code;
}

int Fail(int exit_code, const absl::Status& status) {
  return Fail(exit_code, std::string(status.message()));
}

std::vector<std::string> CallerEnvironment() {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    variables.emplace_back(*variable);
  }
  return variables;
}

int RunCommandLine(int argc, char** argv) {
  CLI::App root(kDescription, "sessionctl");
  root.footer(kExamples);
  root.set_version_flag("--version", "sessionctl " SESSIONCTL_VERSION);
  root.require_subcommand(0, 1);
  const std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  return ParseAndRun(root, AddCommands(root, words), words);
}

}  // namespace sessionctl
