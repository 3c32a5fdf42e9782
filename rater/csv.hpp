#pragma once
// One line of comma-separated values, as spreadsheets and old systems write them. Pure.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace tallyman::rater {

/// A field, and the column (from 1) that it begins in.
struct CsvField {
  std::string text;
  std::size_t column = 1;
};

/// Fields between commas, blanks around them cut off; one in double quotes may hold commas, and
/// `""` for a quote. Total: any bytes give fields or an error, whose `where` is the column. A
/// carriage return at the end is no part of the line.
[[nodiscard]] Result<std::vector<CsvField>> csv_fields(std::string_view line);

/// Which column is which, by the names of the first line.
class CsvHeader {
 public:
  /// Every name must be one of `known`, none twice, and all of `needed` be there.
  [[nodiscard]] static Result<CsvHeader> read(std::string_view line,
                                              const std::vector<std::string>& known,
                                              const std::vector<std::string>& needed);
  /// The field of that name, nothing of a column that is not there.
  [[nodiscard]] const CsvField* find(const std::vector<CsvField>& fields,
                                     const std::string& name) const;
  [[nodiscard]] std::size_t columns() const { return columns_; }

 private:
  std::map<std::string, std::size_t> places_;
  std::size_t columns_ = 0;
};

}  // namespace tallyman::rater
