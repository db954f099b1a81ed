# Makes a C++ file that holds a text file: cmake -DINPUT=… -DOUTPUT=… -DFUNCTION=… -DHEADER=… -P embed.cmake
file(READ "${INPUT}" text)
string(FIND "${text}" ")embedded\"" at)
if(NOT at EQUAL -1)
  message(FATAL_ERROR "${INPUT} holds the mark that ends a raw string")
endif()
get_filename_component(name "${INPUT}" NAME)
file(WRITE "${OUTPUT}" "// Made from ${name} by ops/cmake/embed.cmake.\n#include \"${HEADER}\"\n\nnamespace bukubesar {\n\n"
  "std::string_view ${FUNCTION}() { return R\"embedded(${text})embedded\"; }\n\n}  // namespace bukubesar\n")
