#include "projections/same_transfers.h"

#include "projections/encoder.h"

namespace bukubesar {

namespace {

bool same_texts(const Dictionaries& a, const Dictionaries& b) {
  if (a.sizes() != b.sizes()) return false;
  for (std::size_t i = 0; i < kDictionaryCount; ++i) {
    const auto id = static_cast<DictionaryId>(i);
    for (std::uint32_t code = 0; code < a[id].size(); ++code)
      if (a[id].text(code) != b[id].text(code)) return false;
  }
  return true;
}

bool same_head(const FoldDocumentHead& a, const FoldDocumentHead& b) {
  return a.dimensions == b.dimensions && a.stage == b.stage && a.stage_unmapped == b.stage_unmapped && a.revision == b.revision &&
         a.total == b.total && a.unallocated == b.unallocated && a.lines_off == b.lines_off && a.first_line_off == b.first_line_off &&
         a.vendor_of_id == b.vendor_of_id;
}

// Each in dictionaries of its own: equal codes for equal texts, met in the same order, are equal codes in any dictionary.
bool same_documents(const Event& a, const Event& b) {
  Dictionaries texts_a;
  Dictionaries texts_b;
  FoldDocument document_a;
  FoldDocument document_b;
  const bool fits_a = Encoder(texts_a).encode(a, *a.document, document_a);
  const bool fits_b = Encoder(texts_b).encode(b, *b.document, document_b);
  return fits_a == fits_b && same_head(document_a, document_b) && document_a.cells == document_b.cells && same_texts(texts_a, texts_b);
}

}  // namespace

bool same_transfers(const Event& a, const Event& b) {
  if (a.type != b.type || a.source != b.source || a.subject != b.subject || a.time_ms != b.time_ms || a.stage != b.stage ||
      a.amount.sen != b.amount.sen || a.reference != b.reference)
    return false;
  if ((a.document == nullptr) != (b.document == nullptr)) return false;
  return a.document == nullptr || same_documents(a, b);
}

}  // namespace bukubesar
