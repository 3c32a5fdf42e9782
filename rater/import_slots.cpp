#include "rater/import_slots.hpp"

#include <algorithm>
#include <limits>

#include "base/time_text.hpp"
#include "base/u128.hpp"
#include "rater/rating/decimal.hpp"

namespace tallyman::rater {

namespace {

const char* const kInstance = "slots";

Error wrong(std::string what, const CsvField& field, std::string todo) {
  return {std::move(what), std::to_string(field.column), std::move(todo)};
}

std::string cut(const std::string& text) { return text.substr(0, 64); }

/// "a=1;b=2".
Result<wire::Labels> labels_of(const CsvField& field) {
  wire::Labels labels;
  std::string_view rest = field.text;
  while (!rest.empty()) {
    const std::string_view one = rest.substr(0, rest.find(';'));
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    const std::size_t equals = one.find('=');
    if (equals == 0 || equals == std::string_view::npos) {
      return wrong("'" + cut(std::string(one)) + "' is no label", field,
                   "write name=value, and a semicolon between two");
    }
    const bool fresh =
        labels.emplace(std::string(one.substr(0, equals)), std::string(one.substr(equals + 1)))
            .second;
    if (!fresh) {
      return wrong("the label '" + cut(std::string(one.substr(0, equals))) + "' is there twice",
                   field, "");
    }
  }
  return labels;
}

/// How much of a slot was measured.
Result<Ns> covered_of(const CsvField* field, Ns length) {
  if (field == nullptr || field->text.empty()) return length;
  const auto share = Rational::from_text(field->text);
  if (!share || share->negative() || *share > Rational(1)) {
    return wrong("'" + cut(field->text) + "' is no coverage", *field,
                 "give the share that was measured, from 0 to 1");
  }
  const Rational covered = *share * Rational(static_cast<u128>(length));
  const auto whole = u128_from_decimal(covered.floored(0));
  return static_cast<Ns>(whole.value_or(0));
}

}  // namespace

Result<std::optional<wire::ReadingLine>> SlotLines::take(std::string_view line,
                                                         const std::string& agent) {
  using Nothing = std::optional<wire::ReadingLine>;
  if (line.find_first_not_of(" \t\r") == std::string_view::npos) return Nothing();
  if (!header_) {
    auto header = CsvHeader::read(
        line, {"source", "metric", "slot", "seconds", "bytes", "coverage", "labels", "info"},
        {"source", "metric", "slot", "seconds", "bytes"});
    hopeless_ = !header.ok();
    if (!header.ok()) return header.error();
    header_ = std::move(*header);
    return Nothing();
  }
  const auto fields = csv_fields(line);
  if (!fields.ok()) return fields.error();
  if (fields->size() != header_->columns()) {
    return Error{std::to_string(fields->size()) + " fields, where the first line names " +
                     std::to_string(header_->columns()),
                 "1", ""};
  }
  return slot(*fields, agent);
}

Result<std::optional<wire::ReadingLine>> SlotLines::slot(const std::vector<CsvField>& fields,
                                                         const std::string& agent) {
  const CsvField &source = *header_->find(fields, "source"),
                 &metric = *header_->find(fields, "metric"),
                 &begins = *header_->find(fields, "slot"),
                 &seconds = *header_->find(fields, "seconds"),
                 &bytes = *header_->find(fields, "bytes");
  if (source.text.empty()) return wrong("the source is empty", source, "name what was metered");
  if (metric.text.empty()) return wrong("the metric is empty", metric, "name it");
  const auto at = from_rfc3339(begins.text);
  if (!at || *at <= 0) {
    return wrong("'" + cut(begins.text) + "' is no instant", begins,
                 "write the slot's start like 2026-10-01T00:00:00Z");
  }
  const auto many = u128_from_decimal(seconds.text);
  if (!many || *many == 0 || *many > 86'400) {
    return wrong("'" + cut(seconds.text) + "' is no length of a slot", seconds,
                 "give whole seconds, at most a day");
  }
  const Ns length = static_cast<Ns>(*many) * kSecond;
  if (length_ != 0 && length != length_) {
    return wrong("a slot of another length than those before", seconds,
                 "give each length a file of its own");
  }
  if (*at % length != 0) {
    return wrong("the slot does not begin at a multiple of its length", begins,
                 "slots are aligned to Unix time");
  }
  const auto value = u128_from_decimal(bytes.text);
  if (!value || *value > std::numeric_limits<std::uint64_t>::max()) {
    return wrong("'" + cut(bytes.text) + "' is no count of bytes", bytes,
                 "give a whole number below 2^64");
  }
  const auto covered = covered_of(header_->find(fields, "coverage"), length);
  if (!covered.ok()) return covered.error();
  if (*covered == 0 && *value != 0) {
    return wrong("bytes, where nothing was measured", bytes, "give the coverage that they are of");
  }
  length_ = length;
  if (*covered == 0) return std::optional<wire::ReadingLine>();
  wire::ReadingLine out;
  out.agent = agent;
  out.plugin = out.instance = kInstance;
  out.source = source.text;
  out.scope = wire::scope_of(source.text);
  out.metric = metric.text;
  out.kind = wire::Kind::counter;
  out.unit = "bytes";
  for (const auto& [name, labels] :
       {std::pair{"labels", &out.labels}, std::pair{"info", &out.info}}) {
    const CsvField* field = header_->find(fields, name);
    if (field == nullptr) continue;
    auto read = labels_of(*field);
    if (!read.ok()) return read.error();
    *labels = std::move(*read);
  }
  out.epoch = static_cast<std::uint64_t>(*at);
  out.start = *at;
  out.value = static_cast<std::uint64_t>(*value);
  out.time = *at + *covered;
  return std::optional(std::move(out));
}

}  // namespace tallyman::rater
