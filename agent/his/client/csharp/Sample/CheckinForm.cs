using System;
using System.Collections.Generic;
using System.Drawing;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using System.Windows.Forms;
using Tapcheck.Client;

/// <summary>A desktop HIS in one form: scan or type the number, press Enter, put the card on the reader.</summary>
sealed class CheckinForm : Form
{
    readonly TextBox number = new TextBox { Left = 20, Top = 50, Width = 300, AccessibleName = "Số CCCD" };
    readonly Button start = new Button { Left = 330, Top = 48, Width = 130, Height = 30, Text = "Tiếp nhận" };
    readonly Label say = new Label { Left = 20, Top = 90, Width = 600, Height = 60, Text = "Quét mã QR hoặc nhập số CCCD." };
    readonly ProgressBar progress = new ProgressBar { Left = 20, Top = 155, Width = 440 };
    readonly PictureBox portrait = new PictureBox { Left = 480, Top = 48, Width = 150, Height = 200, SizeMode = PictureBoxSizeMode.Zoom };
    readonly Label person = new Label { Left = 20, Top = 195, Width = 440, Height = 140 };
    readonly TapcheckOptions options;
    TapcheckClient agent;

    /// <summary>The text that a test waits for; the last thing that the form said.</summary>
    internal event Action<string> Done;

    CheckinForm(TapcheckOptions options)
    {
        this.options = options;
        Text = "HIS mẫu – tiếp nhận bằng Tapcheck";
        Font = new Font(FontFamily.GenericSansSerif, 12);
        ClientSize = new Size(660, 350);
        Controls.AddRange(new Control[] { new Label { Left = 20, Top = 20, Width = 300, Text = "Số CCCD hoặc mã QR" }, number, start, say, progress, portrait, person });
        AcceptButton = start;
        start.Click += async (s, e) => await CheckinAsync();
    }

    async Task CheckinAsync()
    {
        start.Enabled = false;
        try
        {
            if (agent == null)
            {
                agent = await TapcheckClient.ConnectAsync(options, CancellationToken.None);
                agent.Closed += e => agent = null; // the next check-in connects anew
            }
            say.Text = "Đặt thẻ lên đầu đọc và giữ yên.";
            var key = new Dictionary<string, object> { { number.Text.Contains("|") ? "qr" : "number", number.Text } };
            var r = await agent.CheckinAsync(new Dictionary<string, object> { { "key", key } }, Show, CancellationToken.None);
            Fill(r);
        }
        catch (TapcheckException e)
        {
            say.Text = e.Text + "\n" + e.Next;
            if (Done != null) Done(e.Id);
        }
        finally
        {
            start.Enabled = true;
        }
    }

    // Notifications come on a thread of the pool.
    void Show(string method, JsonValue data)
    {
        BeginInvoke((Action)(() =>
        {
            if (method == "job.progress") progress.Value = (int)Math.Min(100, data["percent"].Number);
            if (method == "job.needs") say.Text = data["cause"]["text"].Text ?? "Đặt thẻ lên đầu đọc.";
            if (method == "job.partial") Identity(data["identity"]);
        }));
    }

    void Identity(JsonValue i)
    {
        if (i.Exists) person.Text = i["fullName"].Text + "\n" + i["dateOfBirth"].Text + "\n" + i["number"].Text;
    }

    void Fill(JsonValue r)
    {
        Identity(r["identity"]);
        person.Text += "\nBHYT: " + r["eligibility"]["text"].Text;
        say.Text = r["next"][0]["text"].Text;
        if (r["portrait"]["data"].Exists) portrait.Image = Image.FromStream(new MemoryStream(Convert.FromBase64String(r["portrait"]["data"].Text)));
        if (Done != null) Done(r["identity"]["fullName"].Text + " " + r["eligibility"]["state"].Text + " " + (portrait.Image == null ? "no picture" : "picture"));
    }

    // Arguments: the ports; a number to check in at once, after which the form closes (for tests).
    [STAThread]
    static void Main(string[] args)
    {
        Application.EnableVisualStyles();
        var form = new CheckinForm(ConsoleSample.Options(args[0]));
        if (args.Length > 1)
        {
            form.number.Text = args[1];
            form.Shown += (s, e) => form.start.PerformClick();
            form.Done += what =>
            {
                Console.WriteLine("form " + what);
                var picture = Environment.GetEnvironmentVariable("TAPCHECK_FORM_PICTURE");
                if (!string.IsNullOrEmpty(picture))
                {
                    using (var b = new Bitmap(form.Width, form.Height))
                    {
                        form.DrawToBitmap(b, new Rectangle(0, 0, form.Width, form.Height));
                        b.Save(picture);
                    }
                }
                form.Close();
            };
        }
        Application.Run(form);
    }
}
