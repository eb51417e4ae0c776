// As much JSON as the plugin needs. assemblyscript-json 1.1.0 refuses \f, and json-as 1.6.0 makes \0 of \/ and damages what is beyond
// the basic plane.

export class Reader {
  private at: i32 = 0;

  constructor(private text: string) {}

  /** The members of an object that are strings. */
  strings(): Map<string, string> {
    const members = new Map<string, string>();
    this.expect("{");
    if (this.found("}")) return members;
    do {
      const name = this.string();
      this.expect(":");
      if (this.peek() == '"') members.set(name, this.string());
      else this.skip();
    } while (this.found(","));
    this.expect("}");
    return members;
  }

  string(): string {
    this.expect('"');
    const parts: string[] = [];
    let begin = this.at;
    for (; ; this.at++) {
      assert(this.at < this.text.length, "a string does not end");
      const c = this.text.charCodeAt(this.at);
      if (c == 0x22) break;
      if (c != 0x5c) continue;
      parts.push(this.text.substring(begin, this.at++));
      parts.push(this.escaped());
      begin = this.at + 1;
    }
    parts.push(this.text.substring(begin, this.at++));
    return parts.join("");
  }

  private escaped(): string {
    const c = this.text.charAt(this.at);
    if (c == "u") {
      const digits = this.text.substr(this.at + 1, 4);
      this.at += 4;
      return String.fromCharCode(i32(parseInt(digits, 16)));
    }
    const index = "bfnrt".indexOf(c);
    return index < 0 ? c : "\b\f\n\r\t".charAt(index);
  }

  /** Passes a value of any kind. */
  private skip(): void {
    let depth = 0;
    do {
      const c = this.peek();
      if (c == '"') this.string();
      else this.at++;
      if (c == "{" || c == "[") depth++;
      else if (c == "}" || c == "]") depth--;
    } while (depth > 0 || (this.peek() != "," && this.peek() != "}" && this.peek() != "]"));
  }

  /** The next character that is not white space. */
  private peek(): string {
    while (this.at < this.text.length && this.text.charCodeAt(this.at) <= 0x20) this.at++;
    assert(this.at < this.text.length, "the JSON does not end");
    return this.text.charAt(this.at);
  }

  private found(c: string): bool {
    if (this.peek() != c) return false;
    this.at++;
    return true;
  }

  private expect(c: string): void {
    assert(this.found(c), "the JSON has no " + c + " where it should");
  }
}

export function quote(text: string): string {
  const parts: string[] = ['"'];
  let begin = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c >= 0x20 && c != 0x22 && c != 0x5c) continue;
    parts.push(text.substring(begin, i));
    parts.push(c >= 0x20 ? "\\" + text.charAt(i) : "\\u" + c.toString(16).padStart(4, "0"));
    begin = i + 1;
  }
  parts.push(text.substring(begin));
  parts.push('"');
  return parts.join("");
}
