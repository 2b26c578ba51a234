#include "tests/differential/program.h"

#include <cctype>
#include <cstdio>
#include <cstdlib>

namespace differential {
namespace {

// Splits at spaces; a quoted part may hold anything but a line's end.
std::vector<std::string> Words(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '\\' && quoted && i + 1 < line.size()) {
      word += c;
      word += line[++i];
      continue;
    }
    if (c == '"') quoted = !quoted;
    if (c == ' ' && !quoted) {
      if (!word.empty()) words.push_back(std::move(word));
      word.clear();
    } else {
      word += c;
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

// "A3" and "f3": 3; anything else -1.
int Numbered(const std::string& word, char letter, int limit) {
  if (word.size() < 2 || word[0] != letter || isdigit(static_cast<unsigned char>(word[1])) == 0) {
    return -1;
  }
  const int number = atoi(word.c_str() + 1);
  return number < limit ? number : -1;
}

bool AddStep(std::vector<std::string> words, Program* program) {
  Step step;
  step.actor = Numbered(words[0], 'A', kMaxActors);
  if (step.actor < 0 || words.size() < 2 || program->steps.size() == kMaxSteps) return false;
  if (words.size() >= 4 && words[words.size() - 2] == "->") {
    step.slot = Numbered(words.back(), 'f', kMaxSlots);
    if (step.slot < 0) return false;
    words.resize(words.size() - 2);
  }
  step.op = words[1];
  step.args.assign(words.begin() + 2, words.end());
  program->steps.push_back(std::move(step));
  return true;
}

bool AddLine(std::string_view line, std::vector<Program>* programs) {
  std::vector<std::string> words = Words(line);
  if (words.empty() || words[0][0] == '#') return true;
  if (words[0] == "program") {
    programs->emplace_back().name = words.size() > 1 ? words[1] : "";
    return true;
  }
  if (programs->empty()) return false;
  if (words[0] != "make") return AddStep(std::move(words), &programs->back());
  words.erase(words.begin());
  programs->back().makes.push_back(Make{std::move(words)});
  return true;
}

// One escape or plain byte at `at`; moves on.
char NextByte(std::string_view text, size_t* at) {
  char c = text[(*at)++];
  if (c != '\\' || *at == text.size()) return c;
  c = text[(*at)++];
  if (c == 'n') return '\n';
  if (c == 't') return '\t';
  if (c != 'x' || *at + 2 > text.size()) return c;
  const std::string digits(text.substr(*at, 2));
  *at += 2;
  return static_cast<char>(strtoul(digits.c_str(), nullptr, 16));
}

std::string ExpandBrace(const std::string& inside, const Places& places) {
  if (inside == "root") return places.root;
  if (inside == "mount") return places.mount;
  const int slot = Numbered(inside, 'f', kMaxSlots);
  if (slot >= 0) return std::to_string(places.slots[static_cast<size_t>(slot)]);
  const size_t colon = inside.find(':');
  if (inside.empty() || inside[0] != '*' || colon == std::string::npos) return "{" + inside + "}";
  std::string repeated;
  const int times = atoi(inside.c_str() + 1);
  for (int i = 0; i < times; ++i) repeated += inside.substr(colon + 1);
  return repeated;
}

}  // namespace

std::string ToText(const Step& step) {
  std::string line = "A" + std::to_string(step.actor) + " " + step.op;
  for (const std::string& arg : step.args) line += " " + arg;
  if (step.slot >= 0) line += " -> f" + std::to_string(step.slot);
  return line;
}

std::string ToText(const Program& program) {
  std::string text = "program " + program.name + "\n";
  for (const Make& make : program.makes) {
    text += "make";
    for (const std::string& word : make.words) text += " " + word;
    text += "\n";
  }
  for (const Step& step : program.steps) text += ToText(step) + "\n";
  return text;
}

std::optional<std::vector<Program>> FromText(std::string_view text, std::string* error) {
  std::vector<Program> programs;
  int number = 0;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++number;
    if (!AddLine(line, &programs)) {
      *error = "line " + std::to_string(number) + ": " + std::string(line);
      return std::nullopt;
    }
  }
  return programs;
}

std::string Expand(std::string_view quoted, const Places& places) {
  if (quoted.size() >= 2 && quoted.front() == '"') quoted = quoted.substr(1, quoted.size() - 2);
  std::string bytes;
  for (size_t at = 0; at < quoted.size();) {
    const size_t close = quoted[at] == '{' ? quoted.find('}', at) : std::string_view::npos;
    if (close == std::string_view::npos) {
      bytes += NextByte(quoted, &at);
      continue;
    }
    bytes += ExpandBrace(std::string(quoted.substr(at + 1, close - at - 1)), places);
    at = close + 1;
  }
  return bytes;
}

std::string Quote(std::string_view bytes) {
  std::string text = "\"";
  for (const char byte : bytes) {
    const auto c = static_cast<unsigned char>(byte);
    char escape[8];
    if (c == '"' || c == '\\') {
      text += '\\';
      text += byte;
    } else if (c == '\n') {
      text += "\\n";
    } else if (c < 0x20 || c > 0x7e || c == '{' || c == '}') {
      snprintf(escape, sizeof(escape), "\\x%02x", c);
      text += escape;
    } else {
      text += byte;
    }
  }
  return text + "\"";
}

}  // namespace differential
