using System;
using System.Collections;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Runtime.Serialization.Json;
using System.Text;
using System.Xml;

namespace Tapcheck.Client
{
    /// <summary>
    /// One value of a message. What is absent can be asked for all the same: <c>result["portrait"]["data"].Text</c> is null
    /// where there is no portrait. It needs no JSON package: the parser is the framework's own, with bounds.
    /// </summary>
    public sealed class JsonValue : IEnumerable<JsonValue>
    {
        /// <summary>How deep a message may be nested. The protocol's own are far below that.</summary>
        public const int MaxDepth = 32;

        static readonly JsonValue Absent = new JsonValue();

        readonly Dictionary<string, JsonValue> members;
        readonly List<JsonValue> items;
        readonly string scalar;
        readonly bool isString;

        JsonValue() { }
        JsonValue(Dictionary<string, JsonValue> members) { this.members = members; }
        JsonValue(List<JsonValue> items) { this.items = items; }
        JsonValue(string scalar, bool isString) { this.scalar = scalar; this.isString = isString; }

        /// <summary>Whether there is such a value at all; null counts as absent.</summary>
        public bool Exists { get { return members != null || items != null || scalar != null; } }

        /// <summary>A string, or a number or truth value as it was written; null for everything else.</summary>
        public string Text { get { return scalar; } }

        /// <summary>True only where the message says true.</summary>
        public bool IsTrue { get { return !isString && scalar == "true"; } }

        /// <summary>A whole number, or 0.</summary>
        public long Number
        {
            get
            {
                long n;
                return !isString && long.TryParse(scalar, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out n) ? n : 0;
            }
        }

        /// <summary>Items of an array; 0 for everything else.</summary>
        public int Count { get { return items == null ? 0 : items.Count; } }

        /// <summary>A member of an object.</summary>
        public JsonValue this[string name]
        {
            get
            {
                JsonValue v;
                return members != null && members.TryGetValue(name, out v) ? v : Absent;
            }
        }

        /// <summary>An item of an array.</summary>
        public JsonValue this[int i] { get { return items != null && i >= 0 && i < items.Count ? items[i] : Absent; } }

        /// <summary>Names of an object's members.</summary>
        public IEnumerable<string> Names { get { return members == null ? (IEnumerable<string>)new string[0] : members.Keys; } }

        /// <inheritdoc/>
        public IEnumerator<JsonValue> GetEnumerator() { return (items ?? new List<JsonValue>()).GetEnumerator(); }

        IEnumerator IEnumerable.GetEnumerator() { return GetEnumerator(); }

        /// <summary>Parses one message. Throws <see cref="FormatException"/> for what is no JSON.</summary>
        public static JsonValue Parse(byte[] utf8, int length)
        {
            if (length == 0) throw new FormatException("the message is no JSON");
            var quotas = new XmlDictionaryReaderQuotas
            {
                MaxDepth = MaxDepth * 2, // the framework counts each array item as an element of its own
                MaxStringContentLength = length,
                MaxArrayLength = length,
                MaxBytesPerRead = Math.Max(4096, length),
                MaxNameTableCharCount = Math.Max(16384, length),
            };
            try
            {
                using (var reader = JsonReaderWriterFactory.CreateJsonReader(utf8, 0, length, Encoding.UTF8, quotas, null))
                {
                    reader.MoveToContent();
                    return Read(reader, MaxDepth);
                }
            }
            catch (XmlException e)
            {
                throw new FormatException("the message is no JSON", e);
            }
        }

        /// <summary>Parses one message.</summary>
        public static JsonValue Parse(string json)
        {
            var utf8 = Encoding.UTF8.GetBytes(json);
            return Parse(utf8, utf8.Length);
        }

        // The framework shows JSON as XML: an element a value, with its kind in the attribute "type".
        static JsonValue Read(XmlDictionaryReader reader, int depth)
        {
            if (depth == 0) throw new FormatException("the message is nested too deep");
            var kind = reader.GetAttribute("type") ?? "string";
            var empty = reader.IsEmptyElement;
            switch (kind)
            {
                case "object":
                    var members = new Dictionary<string, JsonValue>();
                    if (Enter(reader, empty))
                    {
                        while (reader.MoveToContent() == XmlNodeType.Element)
                        {
                            // A name that is none in XML stands in the attribute "item".
                            var name = reader.GetAttribute("item") ?? reader.LocalName;
                            members[name] = Read(reader, depth - 1);
                        }
                        reader.ReadEndElement();
                    }
                    return new JsonValue(members);
                case "array":
                    var items = new List<JsonValue>();
                    if (Enter(reader, empty))
                    {
                        while (reader.MoveToContent() == XmlNodeType.Element) items.Add(Read(reader, depth - 1));
                        reader.ReadEndElement();
                    }
                    return new JsonValue(items);
                case "null":
                    reader.Skip();
                    return Absent;
                default:
                    return new JsonValue(reader.ReadElementContentAsString(), kind == "string");
            }
        }

        static bool Enter(XmlDictionaryReader reader, bool empty)
        {
            reader.Read();
            return !empty;
        }

        /// <summary>
        /// Writes what a request is made of: strings, numbers, truth values, dictionaries with string keys, other sequences,
        /// and null, which a dictionary leaves out ("absent means absent").
        /// </summary>
        public static string Write(object value)
        {
            var b = new StringBuilder();
            Write(b, value, MaxDepth);
            return b.ToString();
        }

        static void Write(StringBuilder b, object value, int depth)
        {
            if (depth == 0) throw new ArgumentException("nested too deep");
            if (value == null) { b.Append("null"); return; }
            if (value is string) { WriteString(b, (string)value); return; }
            if (value is bool) { b.Append((bool)value ? "true" : "false"); return; }
            if (value is int || value is long || value is short || value is byte)
            {
                b.Append(((IFormattable)value).ToString(null, CultureInfo.InvariantCulture));
                return;
            }
            var map = value as IDictionary;
            if (map != null)
            {
                var first = true;
                b.Append('{');
                foreach (DictionaryEntry e in map)
                {
                    if (e.Value == null) continue;
                    if (!first) b.Append(',');
                    first = false;
                    WriteString(b, (string)e.Key);
                    b.Append(':');
                    Write(b, e.Value, depth - 1);
                }
                b.Append('}');
                return;
            }
            var list = value as IEnumerable;
            if (list != null)
            {
                var first = true;
                b.Append('[');
                foreach (var item in list)
                {
                    if (!first) b.Append(',');
                    first = false;
                    Write(b, item, depth - 1);
                }
                b.Append(']');
                return;
            }
            throw new ArgumentException("cannot be written as JSON: " + value.GetType());
        }

        static void WriteString(StringBuilder b, string s)
        {
            b.Append('"');
            foreach (var c in s)
            {
                if (c == '"' || c == '\\') b.Append('\\').Append(c);
                else if (c < ' ' || c == 0x7F || char.IsSurrogate(c)) b.Append("\\u").Append(((int)c).ToString("x4", CultureInfo.InvariantCulture));
                else b.Append(c);
            }
            b.Append('"');
        }
    }
}
