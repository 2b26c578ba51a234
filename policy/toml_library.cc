// The functions of toml++ that are no templates, compiled here instead of loaded as a library
// (cmake/StaticLibraries.cmake). Its assertions fail on malformed text, for which its parser has
// proper errors behind them: distributions build it without, and so do we.
#define TOML_IMPLEMENTATION
#define TOML_ASSERT(expression) static_cast<void>(0)
#include "policy/toml_reader.h"
