#pragma once
// What a file of readings comes to: definitions, and readings and gaps that refer to them. Private
// to import*.cpp. Pure.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/hash.hpp"
#include "base/result.hpp"
#include "wire/reading_json.hpp"

namespace tallyman::rater {

constexpr std::size_t kLongestImportLine = std::size_t{1} << 20U;

/// One agent's readings of the file. Indices point into the lists beside them.
struct ImportStream {
  struct Epoch {
    std::uint32_t series = 0;
    std::uint64_t epoch = 0;
    Ns start = 0;
  };
  struct Reading {
    Ns time = 0;
    std::uint32_t instance = 0, epoch = 0;
    std::uint32_t info = 0;  ///< 0 = the line told none
    std::uint32_t line = 0;
    std::uint64_t value = 0;
  };
  struct Gap {
    std::uint32_t instance = 0;
    std::uint32_t source = 0;  ///< one above its index; 0 = the whole instance
    Ns from = 0, to = 0;
    wire::Cause cause = wire::Cause::error;
    std::string why{};
  };
  struct Series {
    std::uint32_t source = 0, metric = 0;
    wire::LabelValues identity;
  };

  std::vector<wire::InstanceDef> instances;
  std::vector<wire::SourceDef> sources;
  std::vector<wire::MetricDef> metrics;
  std::vector<Series> series;
  std::vector<Epoch> epochs;
  std::vector<wire::LabelValues> infos;  ///< the first one stands for none
  std::vector<Reading> readings;
  std::vector<Gap> gaps;
};

/// Takes lines one by one. After an error it goes on to find others; what it holds is then for
/// nobody's use.
class ImportFile {
 public:
  /// `agent`, when not empty, takes the place of the agent that the lines name. A line of a time
  /// after `now` is an error.
  ImportFile(std::string agent, Ns now) : agent_(std::move(agent)), now_(now) {}

  /// Lines are counted from 1; an empty one says nothing. The error's `where` is the column.
  [[nodiscard]] Status take(std::string_view line);
  /// The same of a line that came in another shape, or was read to be nothing.
  [[nodiscard]] Status take_slot(std::optional<wire::ReadingLine> line);
  /// For slots: each epoch is read once only, and no series is finer than this.
  void one_reading_an_epoch(Ns resolution) { resolution_ = resolution; }
  /// After the last line: sorts, drops what was said twice, and infers the beats. The errors'
  /// `where` is the line.
  [[nodiscard]] std::vector<Error> finish();

  [[nodiscard]] std::map<std::string, ImportStream>& streams() { return streams_; }
  [[nodiscard]] std::uint64_t lines() const { return lines_; }
  [[nodiscard]] std::uint64_t repeated() const { return repeated_; }

 private:
  struct Names {
    std::unordered_map<std::string, std::uint32_t> numbers;  ///< of everything, by its content
  };
  Status reading(const wire::ReadingLine& line);
  void check_epochs(const ImportStream& stream, std::vector<Error>& errors) const;
  Status gap(const wire::GapLine& line);
  Status same_metric(const wire::ReadingLine& line);
  static Status check_definitions(const wire::ReadingLine& line);

  std::string agent_;
  Ns now_;
  Ns resolution_ = 0;  ///< 0 = epochs may be read any number of times
  std::uint64_t lines_ = 0, repeated_ = 0;
  std::map<std::string, ImportStream> streams_;
  std::map<std::string, Names> names_;  ///< by agent
  struct Seen {
    std::string unit;
    wire::Kind kind = wire::Kind::counter;
    std::uint64_t line = 0;
  };
  std::map<std::string, Seen> metrics_;
};

}  // namespace tallyman::rater
