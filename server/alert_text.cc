#include "server/alert_text.h"

#include <fmt/format.h>

#include <algorithm>

namespace bukubesar {

namespace {

// "{name}" stands for a value, "{name:rp}" for an amount, "{name:%}" for a percentage.
struct Shapes {
  std::string_view id, en;
};

Shapes shapes_of(AlertKind kind, const AlertValues& values) {
  switch (kind) {
    case AlertKind::share_below:
      return {"{share:%} dari {amount:rp} ({measure}), sasaran {target:%}", "{share:%} of {amount:rp} ({measure}), target {target:%}"};
    case AlertKind::stalled:
      return {"tidak ada belanja sejak {since}, sebelumnya {before:rp} per bulan", "nothing since {since}, before it {before:rp} a month"};
    case AlertKind::spiking:
      return {"{amount:rp} pada {month}, sebelumnya {before:rp} per bulan", "{amount:rp} in {month}, before it {before:rp} a month"};
    case AlertKind::splitting:
      return {"{count} paket, rata-rata {mean:rp}, bersama {amount:rp}, ambang {threshold:rp}",
              "{count} purchases of {mean:rp} in the mean, {amount:rp} together, threshold {threshold:rp}"};
    case AlertKind::no_progress:
      return {"{count} paket, {amount:rp}, tidak ada kabar selama {days} hari: {purchases}",
              "{count} purchases, {amount:rp}, nothing heard for {days} days: {purchases}"};
    case AlertKind::intake_lag:
      return {"tertinggal lebih dari {records} rekaman", "more than {records} records behind"};
    case AlertKind::unbalanced:
      return {"baris berjumlah {rows:rp}, tampilan {view:rp}, seluruhnya {all:rp}",
              "rows come to {rows:rp}, the view to {view:rp}, all to {all:rp}"};
    case AlertKind::unverifiable:
      break;
  }
  // What the server says of damage is of its own words: a technician reads it, in whatever language.
  const auto why = values.find("why");
  if (why == values.end()) return {"saksi menolak apa yang ditandatangani", "a witness refuses what is signed"};
  return {"pemeriksaan gagal: {why}", "{why}"};
}

enum class Language : std::uint8_t { id, en };

// "1234567.89" → "1.234.567,89" or "1,234,567.89".
std::string grouped(std::string_view decimal, Language language) {
  const std::size_t point = std::min(decimal.find('.'), decimal.size());
  const std::size_t first = decimal.starts_with('-') ? 1 : 0;
  std::string text(decimal.substr(0, first));
  for (std::size_t i = first; i < point; ++i) {
    if (i > first && (point - i) % 3 == 0) text += language == Language::id ? '.' : ',';
    text += decimal[i];
  }
  if (point < decimal.size()) (text += language == Language::id ? ',' : '.').append(decimal.substr(point + 1));
  return text;
}

std::string measure_word(std::string_view measure, Language language) {
  if (language == Language::en) return std::string(measure);
  return measure == "strict" ? "sempit" : measure == "broad" ? "luas" : "komitmen";
}

std::string filled(std::string_view shape, const AlertValues& values, Language language) {
  std::string text;
  while (true) {
    const std::size_t open = std::min(shape.find('{'), shape.size());
    text += shape.substr(0, open);
    if (open == shape.size()) return text;
    const std::size_t close = shape.find('}', open);
    const std::string_view place = shape.substr(open + 1, close - open - 1);
    const std::string name(place.substr(0, place.find(':')));
    const std::string_view form = name.size() < place.size() ? place.substr(name.size() + 1) : std::string_view();
    const auto found = values.find(name);
    const std::string value = found == values.end() ? "" : found->second;
    if (form == "rp")
      text += "Rp " + grouped(value, language);
    else if (form == "%")
      text += grouped(value, language) + " %";
    else
      text += name == "measure" ? measure_word(value, language) : value;
    shape.remove_prefix(close + 1);
  }
}

}  // namespace

AlertText alert_text(AlertKind kind, const AlertValues& values) {
  const Shapes shapes = shapes_of(kind, values);
  return {filled(shapes.id, values, Language::id), filled(shapes.en, values, Language::en)};
}

}  // namespace bukubesar
