#include "tests/differential/arguments.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <utime.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace differential {
namespace {

constexpr size_t kArenaSize = size_t{1} << 20;
constexpr size_t kPage = 4096;
constexpr size_t kEdgeSize = 8 * kPage;
constexpr int64_t kDay = 86400;

char* Map(size_t size, int protection) {
  void* memory = mmap(nullptr, size, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) abort();
  return static_cast<char*>(memory);
}

struct OpenHow {
  uint64_t flags;
  uint64_t mode;
  uint64_t resolve;
};

struct XattrArgs {
  uint64_t value;
  uint32_t size;
  uint32_t flags;
};

struct FileAttr {
  uint64_t xflags;
  uint32_t extent_size;
  uint32_t extent_count;
  uint32_t project_id;
  uint32_t cow_extent_size;
};

// "5.6", "now", "omit"; in what follows, nanoseconds or microseconds as the caller has them.
void ParseTime(const std::string& word, int64_t* seconds, int64_t* fraction) {
  *seconds = 0;
  if (word == "now" || word == "omit") {
    *fraction = word == "now" ? UTIME_NOW : UTIME_OMIT;
    return;
  }
  const size_t dot = word.find('.');
  *seconds = strtoll(word.c_str(), nullptr, 10);
  *fraction = dot == std::string::npos ? 0 : strtoll(word.c_str() + dot + 1, nullptr, 10);
}

class Filler {
 public:
  Filler(const Step& step, const Places& places, HostileMemory* memory, Registers* registers)
      : step_(step), places_(places), memory_(memory), registers_(registers) {}

  bool Fill(const char* letters) {
    for (const char* letter = letters; *letter != '\0'; ++letter) {
      if (!One(*letter)) return false;
    }
    return next_ == step_.args.size();
  }

 private:
  bool One(char letter) {
    if (next_ == step_.args.size()) return false;
    const std::string& word = step_.args[next_++];
    switch (letter) {
      case 'd':
      case 'f': Push(Descriptor(word)); return true;
      case 'p':
      case 't':
      case 'N': Push(String(word)); return true;
      case 'v': PushBytes(word); return true;
      case 'B': PushBuffer(word); return true;
      case 'S':
        Push(Out(word, sizeof(struct stat)));
        if (word == "buf") registers_->status = reinterpret_cast<const struct stat*>(Last());
        return true;
      case 'X':
        Push(Out(word, sizeof(struct statx)));
        if (word == "buf") registers_->status_x = reinterpret_cast<const struct statx*>(Last());
        return true;
      case 'T': PushTimes<timespec>(word); return true;
      case 'V': PushTimes<timeval>(word); return true;
      case 'U': PushUtimbuf(word); return true;
      case 'H': return PushOpenHow(word);
      case 'Z': return PushXattrArgs(word);
      case 'A': PushFileAttr(word); return true;
      default: Push(ParseNumber(word)); return true;
    }
  }

  void Push(long value) { registers_->values.at(count_++) = value; }
  void Push(const void* pointer) { Push(reinterpret_cast<long>(pointer)); }
  const void* Last() const {
    // NOLINTNEXTLINE(performance-no-int-to-ptr)
    return reinterpret_cast<const void*>(registers_->values.at(count_ - 1));
  }

  long Descriptor(const std::string& word) const {
    if (word == "cwd") return AT_FDCWD;
    if (word[0] == '#') return strtol(word.c_str() + 1, nullptr, 0);
    const auto slot = static_cast<size_t>(atoi(word.c_str() + 1));
    return slot < places_.slots.size() ? places_.slots[slot] : -1;
  }

  // NULL, @bad, @wild, @kernel; nullptr and *special = false for anything else.
  long Special(const std::string& word, bool* special) const {
    *special = true;
    if (word == "NULL") return 0;
    if (word == "@bad") return reinterpret_cast<long>(memory_->Unmapped());
    if (word == "@wild") return 0x0123456789abcdef;
    if (word == "@kernel") return static_cast<long>(0xffff888000000000UL);
    if (word == "@ro") return reinterpret_cast<long>(memory_->ReadOnly());
    *special = false;
    return 0;
  }

  long String(const std::string& word) const {
    bool special;
    const long pointer = Special(word, &special);
    if (special) return pointer;
    if (word.starts_with("@cut")) return Pointer(memory_->AtEdge(Expand(word.substr(4), places_)));
    std::string bytes = Expand(StringOf(word), places_);
    bytes += '\0';
    if (word.starts_with("@edge")) return Pointer(memory_->AtEdge(bytes));
    char* copy = memory_->Take(bytes.size());
    memcpy(copy, bytes.data(), bytes.size());
    return Pointer(copy);
  }

  static long Pointer(const void* pointer) { return reinterpret_cast<long>(pointer); }

  // A quoted value, or SPECIAL:SIZE.
  void PushBytes(const std::string& word) {
    const size_t colon = word[0] == '"' ? std::string::npos : word.find(':');
    if (colon != std::string::npos) {
      bool special;
      Push(Special(word.substr(0, colon), &special));
      Push(ParseNumber(word.substr(colon + 1)));
      return;
    }
    const std::string bytes = Expand(word, places_);
    char* copy = memory_->Take(bytes.size());
    memcpy(copy, bytes.data(), bytes.size());
    Push(copy);
    Push(static_cast<long>(bytes.size()));
  }

  // SIZE, or SPECIAL:SIZE.
  void PushBuffer(const std::string& word) {
    const size_t colon = word.find(':');
    if (colon != std::string::npos) return PushBytes(word);
    const auto size = static_cast<size_t>(ParseNumber(word));
    char* buffer = memory_->Take(size);
    registers_->out = buffer;
    registers_->out_size = size;
    Push(buffer);
    Push(static_cast<long>(size));
  }

  long Out(const std::string& word, size_t size) const {
    bool special;
    const long pointer = Special(word, &special);
    return special ? pointer : Pointer(memory_->Take(size));
  }

  template <typename Time>
  void PushTimes(const std::string& word) {
    bool special;
    const long pointer = Special(word, &special);
    if (special) return Push(pointer);
    const size_t comma = word.find(',');
    auto* times = reinterpret_cast<Time*>(memory_->Take(2 * sizeof(Time)));
    int64_t values[4];
    ParseTime(word.substr(0, comma), &values[0], &values[1]);
    ParseTime(comma == std::string::npos ? "0" : word.substr(comma + 1), &values[2], &values[3]);
    memcpy(times, values, sizeof(values));
    static_assert(sizeof(values) == 2 * sizeof(Time));
    Push(times);
  }

  void PushUtimbuf(const std::string& word) {
    bool special;
    const long pointer = Special(word, &special);
    if (special) return Push(pointer);
    const size_t comma = word.find(',');
    auto* times = reinterpret_cast<utimbuf*>(memory_->Take(sizeof(utimbuf)));
    times->actime = strtoll(word.c_str(), nullptr, 10);
    times->modtime =
        comma == std::string::npos ? 0 : strtoll(word.c_str() + comma + 1, nullptr, 10);
    Push(times);
  }

  bool PushOpenHow(const std::string& flags) {
    if (next_ + 3 > step_.args.size()) return false;
    auto* how = reinterpret_cast<OpenHow*>(memory_->Take(2 * kPage));
    how->flags = static_cast<uint64_t>(ParseNumber(flags));
    how->mode = static_cast<uint64_t>(ParseNumber(step_.args[next_++]));
    how->resolve = static_cast<uint64_t>(ParseNumber(step_.args[next_++]));
    const std::string& size = step_.args[next_++];
    bool special;
    const long pointer = Special(size, &special);
    Push(special ? pointer : Pointer(how));
    Push(special ? static_cast<long>(sizeof(OpenHow)) : ParseNumber(size));
    // A structure newer than the kernel knows, with something in it.
    if (size == "40") reinterpret_cast<char*>(how)[32] = 1;
    return true;
  }

  bool PushXattrArgs(const std::string& value) {
    if (next_ == step_.args.size()) return false;
    auto* args = reinterpret_cast<XattrArgs*>(memory_->Take(sizeof(XattrArgs)));
    PushBytes(value);
    args->size = static_cast<uint32_t>(registers_->values.at(--count_));
    args->value = static_cast<uint64_t>(registers_->values.at(--count_));
    args->flags = static_cast<uint32_t>(ParseNumber(step_.args[next_++]));
    Push(args);
    Push(static_cast<long>(sizeof(XattrArgs)));
    return true;
  }

  void PushFileAttr(const std::string& word) {
    bool special;
    const long pointer = Special(word, &special);
    auto* attr = reinterpret_cast<FileAttr*>(memory_->Take(sizeof(FileAttr)));
    if (!special) attr->xflags = static_cast<uint64_t>(ParseNumber(word));
    Push(special ? pointer : Pointer(attr));
    Push(static_cast<long>(sizeof(FileAttr)));
  }

  const Step& step_;
  const Places& places_;
  HostileMemory* memory_;
  Registers* registers_;
  size_t next_ = 0;
  size_t count_ = 0;
};

std::string DescribeStatus(unsigned mode, unsigned links, unsigned uid, unsigned gid,
                           int64_t size) {
  char text[96];
  snprintf(text, sizeof(text), "mode=%o links=%u owner=%u:%u size=%lld", mode, links, uid, gid,
           static_cast<long long>(size));
  return text;
}

}  // namespace

HostileMemory::HostileMemory()
    : arena_(Map(kArenaSize, PROT_READ | PROT_WRITE)),
      edge_(Map(kEdgeSize + kPage, PROT_READ | PROT_WRITE) + kEdgeSize),
      read_only_(Map(size_t{16} * kPage, PROT_READ)) {
  if (mprotect(edge_, kPage, PROT_NONE) != 0) abort();
}

char* HostileMemory::Take(size_t size) {
  size = (size + 15) & ~size_t{15};
  if (used_ + size > kArenaSize) return edge_;
  char* memory = arena_ + used_;
  used_ += size;
  memset(memory, 0, size);
  return memory;
}

char* HostileMemory::AtEdge(const std::string& bytes) {
  const size_t size = bytes.size() < kEdgeSize ? bytes.size() : kEdgeSize;
  char* begin = edge_ - size;
  memcpy(begin, bytes.data() + (bytes.size() - size), size);
  return begin;
}

bool FillRegisters(const Op& op, const Step& step, const Places& places, HostileMemory* memory,
                   Registers* registers) {
  return Filler(step, places, memory, registers).Fill(op.args);
}

std::string DescribeBytes(const char* bytes, size_t size) {
  constexpr size_t kShown = 48;
  if (size <= kShown) return Quote(std::string_view(bytes, size));
  uint64_t hash = 1469598103934665603U;  // FNV-1a
  for (size_t i = 0; i < size; ++i) {
    hash = (hash ^ static_cast<unsigned char>(bytes[i])) * 1099511628211U;
  }
  char text[64];
  snprintf(text, sizeof(text), "%zu-bytes-%016llx", size, static_cast<unsigned long long>(hash));
  return text;
}

size_t HideInodeNumber(char* target, size_t size) {
  const std::string_view text(target, size);
  const size_t begin = text.rfind("/#") + 2;
  if (begin == std::string_view::npos + 2) return 0;
  const size_t end = std::min(text.find_first_not_of("0123456789", begin), size);
  // The buffer may have ended before the text does.
  if (!std::string_view(" (deleted)").starts_with(text.substr(end))) return 0;
  memmove(target + begin, target + end, size - end);
  return end - begin;
}

std::string DescribeTime(int64_t seconds, int64_t nanoseconds, int64_t started) {
  if (seconds >= started - kDay && seconds <= started + kDay) return "now";
  return std::to_string(seconds) + "." + std::to_string(nanoseconds);
}

std::string DescribeResult(const Op& op, const Registers& registers, long value, int64_t started) {
  if (value < 0) return "";
  if (registers.status != nullptr) {
    const struct stat& s = *registers.status;
    return DescribeStatus(s.st_mode, static_cast<unsigned>(s.st_nlink), s.st_uid, s.st_gid,
                          s.st_size) +
           " atime=" + DescribeTime(s.st_atim.tv_sec, s.st_atim.tv_nsec, started) +
           " mtime=" + DescribeTime(s.st_mtim.tv_sec, s.st_mtim.tv_nsec, started);
  }
  if (registers.status_x != nullptr) {
    const struct statx& s = *registers.status_x;
    return DescribeStatus(s.stx_mode, s.stx_nlink, s.stx_uid, s.stx_gid,
                          static_cast<int64_t>(s.stx_size)) +
           " mtime=" + DescribeTime(s.stx_mtime.tv_sec, s.stx_mtime.tv_nsec, started) +
           // Whether it is a mount's root: the mount is one for the bare run only (FenceIn,
           // batch.cc).
           " attributes=" + std::to_string(s.stx_attributes & ~uint64_t{STATX_ATTR_MOUNT_ROOT});
  }
  if (registers.out != nullptr && std::string_view(op.name) != "file_getattr") {
    const size_t size = static_cast<size_t>(value);
    return DescribeBytes(registers.out, size < registers.out_size ? size : registers.out_size);
  }
  return "";
}

}  // namespace differential
