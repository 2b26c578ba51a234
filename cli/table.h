// Tables for people, on standard output.
#ifndef CLI_TABLE_H_
#define CLI_TABLE_H_

#include <string>
#include <vector>

namespace sessionctl {

// Text of a session's may hold escape sequences for the terminal of whoever lists it.
std::string PrintableCell(const std::string& text);

// The first row is the heading. Columns are as wide as they need to be, the last as it is.
std::string TableText(const std::vector<std::vector<std::string>>& rows);

}  // namespace sessionctl

#endif  // CLI_TABLE_H_
