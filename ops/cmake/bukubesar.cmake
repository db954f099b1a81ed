# Helpers of this build: modules, their tests, and the flags that all share.

set(BUKUBESAR_WARNINGS -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Wcast-qual -Wimplicit-fallthrough
    -Wno-missing-field-initializers -Werror)
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  list(APPEND BUKUBESAR_WARNINGS -Wthread-safety -Wno-gnu-zero-variadic-macro-arguments)
endif()

if(BUKUBESAR_BATCH AND NOT CMAKE_CXX_COMPILER_ID MATCHES Clang)
  list(APPEND BUKUBESAR_WARNINGS -Wno-subobject-linkage)  # of what a batch includes: no header, whatever g++ takes it for
endif()

find_program(CCACHE ccache)
if(BUKUBESAR_SYNTAX_ONLY)
  # Sources are read and analysed, nothing is generated, put together or run.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_SOURCE_DIR}/ops/cmake/syntax_only)
  set(CMAKE_CXX_ARCHIVE_CREATE "${CMAKE_COMMAND} -E touch <TARGET>")
  set(CMAKE_CXX_ARCHIVE_FINISH "")
  set(CMAKE_CXX_LINK_EXECUTABLE "${CMAKE_COMMAND} -E touch <TARGET>")
  set(CMAKE_GTEST_DISCOVER_TESTS_DISCOVERY_MODE PRE_TEST)
elseif(CCACHE)
  # Neither the checkout's place nor the build directory's name counts, so that every build of the same text meets the same cache. Nor do
  # time macros, which ccache would have to rule out in precompiled headers, and we do not use.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE})
endif()

# What the release build carries against memory errors that tests did not find; tests/project/hardening_test.py reads them out of the binary.
# Not under the sanitizers, which look themselves, and cannot see behind _FORTIFY_SOURCE.
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  add_compile_options(-fstack-protector-strong -fstack-clash-protection -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
                      "$<$<NOT:$<STREQUAL:$<TARGET_PROPERTY:TYPE>,MODULE_LIBRARY>>:-fPIE>")
  add_link_options(-Wl,-z,relro,-z,now,-z,noexecstack "$<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:-pie>")
endif()

# clang's builds (sanitizers, analysis) read other people's headers once, in bukubesar_base, not in each source again. g++ with
# BUKUBESAR_BATCH=0 does not: there each source shows that it includes what it uses.
function(bukubesar_precompile target)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES Clang)
    return()
  endif()
  # What GoogleTest's targets define must hold in all that shares these headers.
  target_compile_definitions(${target} PRIVATE GTEST_HAS_PTHREAD=1)
  if(target STREQUAL "bukubesar_base")
    target_precompile_headers(${target} PRIVATE ${CMAKE_SOURCE_DIR}/ops/cmake/precompiled.h)
    # Without a time in it, equal headers are equal to ccache.
    target_compile_options(${target} PUBLIC "SHELL:-Xclang -fno-pch-timestamp")
  else()
    target_precompile_headers(${target} REUSE_FROM bukubesar_base)
  endif()
endfunction()

# What every target of ours shares.
function(bukubesar_target target)
  target_include_directories(${target} PUBLIC ${CMAKE_SOURCE_DIR})
  target_compile_options(${target} PRIVATE ${BUKUBESAR_WARNINGS})
  target_compile_definitions(${target} PUBLIC SPDLOG_FMT_EXTERNAL BOOST_ASIO_NO_DEPRECATED)
  bukubesar_precompile(${target})
endfunction()

# Puts so many of the sources in `variable` into one as BUKUBESAR_BATCH says, so that headers are read that much more
# seldom. A name stands for one thing in all of a module, even where it is hidden in a source. BUKUBESAR_ALONE: sources with flags of
# their own.
function(bukubesar_batches name variable)
  set(alone ${${variable}})
  list(FILTER alone INCLUDE REGEX "/(${BUKUBESAR_ALONE})$")
  set(rest ${${variable}})
  list(FILTER rest EXCLUDE REGEX "/(${BUKUBESAR_ALONE})$")
  set(batches ${alone})
  set(number 0)
  while(rest)
    list(SUBLIST rest 0 ${BUKUBESAR_BATCH} batch)
    list(REMOVE_ITEM rest ${batch})
    list(TRANSFORM batch REPLACE "^${CMAKE_SOURCE_DIR}/(.*)$" "#include \"\\1\"")
    list(JOIN batch "\n" text)
    math(EXPR number "${number} + 1")
    set(file ${CMAKE_BINARY_DIR}/generated/${name}/batch_${number}.cc)
    file(CONFIGURE OUTPUT ${file} CONTENT "${text}\n" @ONLY)
    list(APPEND batches ${file})
  endwhile()
  set(${variable} ${batches} PARENT_SCOPE)
endfunction()

# A module is a folder of *.cc and *.h; its tests stand in tests/<module>. Empty folders make interface libraries.
function(bukubesar_module name)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${name}/*.cc)
  list(FILTER sources EXCLUDE REGEX "/main\\.cc$")
  if(BUKUBESAR_BATCH)
    bukubesar_batches(${name} sources)
  endif()
  if(sources)
    add_library(bukubesar_${name} STATIC ${sources})
    target_link_libraries(bukubesar_${name} PUBLIC ${ARGN})
    bukubesar_target(bukubesar_${name})
  else()
    add_library(bukubesar_${name} INTERFACE)
    target_link_libraries(bukubesar_${name} INTERFACE ${ARGN})
    target_include_directories(bukubesar_${name} INTERFACE ${CMAKE_SOURCE_DIR})
  endif()
endfunction()

# A text file of the tree, compiled into a module as `std::string_view function()`, which `header` declares.
function(bukubesar_embed module input function header)
  set(output ${CMAKE_BINARY_DIR}/generated/${module}/${function}.cc)
  set(script ${CMAKE_SOURCE_DIR}/ops/cmake/embed.cmake)
  add_custom_command(OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DINPUT=${CMAKE_SOURCE_DIR}/${input} -DOUTPUT=${output} -DFUNCTION=${function} -DHEADER=${header} -P ${script}
    DEPENDS ${CMAKE_SOURCE_DIR}/${input} ${script} VERBATIM)
  target_sources(bukubesar_${module} PRIVATE ${output})
endfunction()

# The dashboard's files, compiled into a module (server/dashboard.h); without BUKUBESAR_WEB: none. web/build does nothing where its
# sources are those of the last time, and all build directories share what it made.
function(bukubesar_dashboard module)
  set(output ${CMAKE_BINARY_DIR}/generated/${module}/dashboard_files.cc)
  set(script ${CMAKE_SOURCE_DIR}/ops/cmake/dashboard.cmake)
  if(BUKUBESAR_WEB)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/web/src/*)
    list(APPEND sources ${CMAKE_SOURCE_DIR}/web/index.html ${CMAKE_SOURCE_DIR}/web/build ${CMAKE_SOURCE_DIR}/web/vite.config.ts
         ${CMAKE_SOURCE_DIR}/web/package-lock.json ${CMAKE_SOURCE_DIR}/web/svelte.config.js ${CMAKE_SOURCE_DIR}/web/tsconfig.json)
    add_custom_command(OUTPUT ${output}
      COMMAND ${CMAKE_SOURCE_DIR}/web/build
      COMMAND ${CMAKE_COMMAND} -DDIST=${CMAKE_SOURCE_DIR}/build/web/dist -DOUTPUT=${output} -P ${script}
      DEPENDS ${sources} ${script} COMMENT "Building the dashboard" VERBATIM)
  else()
    add_custom_command(OUTPUT ${output} COMMAND ${CMAKE_COMMAND} -DOUTPUT=${output} -P ${script} DEPENDS ${script} VERBATIM)
  endif()
  target_sources(bukubesar_${module} PRIVATE ${output})
endfunction()
