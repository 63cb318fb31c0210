package tapcheck.client;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * One value of a message (RFC 8259). What is absent can be asked for all the same: {@code result.get("portrait").get("data").text()} is
 * null where there is no portrait. The JDK has no JSON, and this client no dependencies, so the parser stands here: bounded in depth,
 * and by the frame in size.
 */
public final class Json implements Iterable<Json> {
  /** How deep a message may be nested. The protocol's own are far below that. */
  public static final int MAX_DEPTH = 32;

  private static final Json ABSENT = new Json(null);

  private final Object value; // Map, List, String, BigDecimal, Boolean, or null for absent

  private Json(Object value) {
    this.value = value;
  }

  /** Whether there is such a value at all; null counts as absent. */
  public boolean exists() {
    return value != null;
  }

  /** A string; null for everything else. */
  public String text() {
    return value instanceof String ? (String) value : null;
  }

  /** True only where the message says true. */
  public boolean isTrue() {
    return Boolean.TRUE.equals(value);
  }

  /** A whole number, or 0. */
  public long number() {
    return value instanceof BigDecimal && ((BigDecimal) value).precision() - ((BigDecimal) value).scale() < 19 ? ((BigDecimal) value).longValue() : 0;
  }

  /** A member of an object. */
  public Json get(String name) {
    Object v = value instanceof Map ? ((Map<?, ?>) value).get(name) : null;
    return v == null ? ABSENT : (Json) v;
  }

  /** An item of an array. */
  public Json get(int i) {
    return value instanceof List && i >= 0 && i < ((List<?>) value).size() ? (Json) ((List<?>) value).get(i) : ABSENT;
  }

  /** Items of an array; none of everything else. */
  @Override
  @SuppressWarnings("unchecked")
  public Iterator<Json> iterator() {
    return value instanceof List ? ((List<Json>) value).iterator() : Collections.emptyIterator();
  }

  /** Parses one message. Throws {@link IllegalArgumentException} for what is no JSON. */
  public static Json parse(String json) {
    Parser p = new Parser(json);
    Json v = p.value(MAX_DEPTH);
    p.space();
    if (p.at != json.length()) {
      throw p.bad();
    }
    return v;
  }

  private static final class Parser {
    private final String s;
    private int at;

    Parser(String s) {
      this.s = s;
    }

    IllegalArgumentException bad() {
      return new IllegalArgumentException("the message is no JSON"); // not where and what: it may be personal
    }

    void space() {
      while (at < s.length() && " \t\r\n".indexOf(s.charAt(at)) >= 0) {
        at++;
      }
    }

    boolean take(char c) {
      space();
      if (at < s.length() && s.charAt(at) == c) {
        at++;
        return true;
      }
      return false;
    }

    void want(char c) {
      if (!take(c)) {
        throw bad();
      }
    }

    Json word(String w, Object v) {
      if (!s.startsWith(w, at)) {
        throw bad();
      }
      at += w.length();
      return v == null ? ABSENT : new Json(v);
    }

    Json value(int depth) {
      space();
      if (depth == 0 || at == s.length()) {
        throw bad();
      }
      switch (s.charAt(at)) {
        case '{':
          return object(depth);
        case '[':
          return array(depth);
        case '"':
          return new Json(string());
        case 't':
          return word("true", true);
        case 'f':
          return word("false", false);
        case 'n':
          return word("null", null);
        default:
          return numeral();
      }
    }

    Json object(int depth) {
      Map<String, Json> m = new LinkedHashMap<>();
      want('{');
      if (!take('}')) {
        do {
          space();
          String name = string();
          want(':');
          m.put(name, value(depth - 1));
        } while (take(','));
        want('}');
      }
      return new Json(m);
    }

    Json array(int depth) {
      List<Json> l = new ArrayList<>();
      want('[');
      if (!take(']')) {
        do {
          l.add(value(depth - 1));
        } while (take(','));
        want(']');
      }
      return new Json(l);
    }

    Json numeral() {
      int from = at;
      while (at < s.length() && "+-0123456789.eE".indexOf(s.charAt(at)) >= 0) {
        at++;
      }
      // Nothing in the protocol has more than 15 digits; an exponent of a billion would fill the memory.
      if (at - from == 0 || at - from > 32) {
        throw bad();
      }
      try {
        BigDecimal d = new BigDecimal(s.substring(from, at));
        if (Math.abs((long) d.scale()) > 64) {
          throw bad();
        }
        return new Json(d);
      } catch (NumberFormatException e) {
        throw bad();
      }
    }

    String string() {
      if (at == s.length() || s.charAt(at) != '"') {
        throw bad();
      }
      at++;
      StringBuilder b = new StringBuilder();
      while (true) {
        if (at == s.length()) {
          throw bad();
        }
        char c = s.charAt(at++);
        if (c == '"') {
          return b.toString();
        }
        if (c < ' ') {
          throw bad();
        }
        if (c != '\\') {
          b.append(c);
          continue;
        }
        if (at == s.length()) {
          throw bad();
        }
        c = s.charAt(at++);
        int plain = "\"\\/bfnrt".indexOf(c);
        if (plain >= 0) {
          b.append("\"\\/\b\f\n\r\t".charAt(plain));
        } else if (c == 'u' && at + 4 <= s.length()) {
          int code = 0;
          for (int i = 0; i < 4; i++) {
            int digit = Character.digit(s.charAt(at++), 16);
            if (digit < 0) {
              throw bad();
            }
            code = code << 4 | digit;
          }
          b.append((char) code);
        } else {
          throw bad();
        }
      }
    }
  }

  /**
   * Writes what a request is made of: strings, numbers, truth values, maps with string keys, other sequences, and null, which a map
   * leaves out ("absent means absent").
   */
  public static String write(Object value) {
    StringBuilder b = new StringBuilder();
    write(b, value, MAX_DEPTH);
    return b.toString();
  }

  private static void write(StringBuilder b, Object value, int depth) {
    if (depth == 0) {
      throw new IllegalArgumentException("nested too deep");
    }
    if (value == null || value instanceof Boolean || value instanceof Integer || value instanceof Long) {
      b.append(value);
    } else if (value instanceof String) {
      quote(b, (String) value);
    } else if (value instanceof Map) {
      String between = "{";
      for (Map.Entry<?, ?> e : ((Map<?, ?>) value).entrySet()) {
        if (e.getValue() != null) {
          b.append(between);
          quote(b, (String) e.getKey());
          b.append(':');
          write(b, e.getValue(), depth - 1);
          between = ",";
        }
      }
      b.append(between.equals("{") ? "{}" : "}");
    } else if (value instanceof Iterable) {
      String between = "[";
      for (Object item : (Iterable<?>) value) {
        b.append(between);
        write(b, item, depth - 1);
        between = ",";
      }
      b.append(between.equals("[") ? "[]" : "]");
    } else {
      throw new IllegalArgumentException("cannot be written as JSON: " + value.getClass());
    }
  }

  private static void quote(StringBuilder b, String s) {
    b.append('"');
    for (int i = 0; i < s.length(); i++) {
      char c = s.charAt(i);
      if (c == '"' || c == '\\') {
        b.append('\\').append(c);
      } else if (c < ' ' || c == 0x7F || Character.isSurrogate(c)) {
        b.append(String.format("\\u%04x", (int) c));
      } else {
        b.append(c);
      }
    }
    b.append('"');
  }
}
